package main

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// expand FILE... puts the values of variables in the place of ${NAME}.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: expand FILE...")
	}
	for _, f := range args {
		text := os.Expand(ts.ReadFile(f), func(name string) string {
			value := ts.Getenv(name)
			if value == "" {
				ts.Fatalf("%s: the variable %s is empty", f, name)
			}
			return value
		})
		ts.Check(os.WriteFile(ts.MkAbs(f), []byte(text), 0o600))
	}
}
