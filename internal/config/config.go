// Package config reads keyquench.toml, in which users write what they would else
// say by flags each time.
//
// Whether a file is to be believed is for the caller to judge: one out of the
// repository that is scanned could silence its own leak. Parse is told where the
// text comes from, since some sections are nobody's business but the operator's.
package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/internal/tomlfile"
)

// Name is what the file is called in a repository.
const Name = "keyquench.toml"

// Config is a configuration. The zero value says nothing.
type Config struct {
	Scan    Scan    `toml:"scan"`
	Respond Respond `toml:"respond"`
}

// Respond is what may be done about a leaked key, by whom, and where. It is only
// read from files of the operator.
type Respond struct {
	// Mode is the most that may be done: report, deactivate, rotate or isolate.
	Mode string `toml:"mode"`
	// Accounts are the only ones in which anything is ever changed.
	Accounts []string `toml:"accounts"`
	// Protect are users for whom a person has to confirm, as names or ARNs with *.
	Protect []string `toml:"protect"`
	// Role is the responder role in each account, and ExternalID what it asks for.
	Role       string `toml:"role"`
	ExternalID string `toml:"external_id"`
	// Profile is the AWS profile of the operator.
	Profile string `toml:"profile"`
	// Self lets a leaked key turn itself off.
	Self bool `toml:"self"`
	// Ledger is the file of the record.
	Ledger string `toml:"ledger"`
}

// Scan is what scan and baseline do. Names of files count from the directory of
// the configuration; Parse joins them.
type Scan struct {
	// Rules are files of rules to add, as --rules does.
	Rules []string `toml:"rules"`
	// Ignore are lists of findings not to report, as --ignore does.
	Ignore []string `toml:"ignore"`
	// GitleaksAllow is --gitleaks-allow.
	GitleaksAllow bool `toml:"gitleaks_allow"`
	// Workers is --workers; 0 is the default.
	Workers int `toml:"workers"`
}

// shared are the sections that may come from a repository. What acts on keys is
// never read from there, trusted or not.
var shared = []string{"scan"}

// Origin says who wrote a configuration.
type Origin uint8

// The origins: whoever runs the program, or who can write to what is scanned.
const (
	Operator Origin = iota
	Repository
)

// Parse reads a configuration. An error names file, line and column.
func Parse(name string, text []byte, from Origin) (*Config, error) {
	f, err := tomlfile.Parse(name, text)
	if err != nil {
		return nil, err
	}
	for _, section := range f.Top() {
		if from == Repository && !slices.Contains(shared, section) {
			return nil, f.Fail(section, fmt.Errorf("section %q is not read from a repository: name the file with --config", section))
		}
	}
	c := new(Config)
	err = f.Decode(c, func(field string) string {
		return fmt.Sprintf("unknown field %q: [scan] has rules, ignore, gitleaks_allow, workers; [respond] has mode, accounts, protect, role, external_id, profile, self, ledger", field)
	})
	if err != nil {
		return nil, err
	}
	const maxWorkers = 1024
	if c.Scan.Workers < 0 || c.Scan.Workers > maxWorkers {
		return nil, f.Fail("scan.workers", fmt.Errorf("workers is %d, want 1 to %d", c.Scan.Workers, maxWorkers))
	}
	for field, list := range map[string][]string{"scan.rules": c.Scan.Rules, "scan.ignore": c.Scan.Ignore} {
		for i, file := range list {
			if strings.TrimSpace(file) == "" {
				return nil, f.Fail(field, fmt.Errorf("%s: entry %d is empty", field, i+1))
			}
			if !filepath.IsAbs(file) {
				list[i] = filepath.Join(filepath.Dir(name), file)
			}
		}
	}
	if file := c.Respond.Ledger; file != "" && !filepath.IsAbs(file) {
		c.Respond.Ledger = filepath.Join(filepath.Dir(name), file)
	}
	return c, nil
}
