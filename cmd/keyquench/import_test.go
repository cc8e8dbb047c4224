package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/keyquench/keyquench"

// mayImport says which package may import which, and with it all that that one
// may. A package that is not here is not part of the design. Those that only
// test others stand at the end.
var mayImport = map[string][]string{
	"cmd/keyquench":          {"hooks", "hooks/webhook", "action", "internal/config", "internal/dash", "internal/ignore", "internal/report", "internal/review", "internal/setup", "internal/org", "internal/queue"},
	"internal/config":        {"internal/tomlfile"},
	"internal/tomlfile":      nil,
	"internal/form":          nil,
	"internal/dash":          {"internal/ledger"},
	"internal/report":        {"internal/ledger", "internal/respond", "internal/verify", "scanner"},
	"internal/ledger":        nil,
	"internal/incident":      {"internal/respond", "internal/verify"},
	"internal/respond":       {"internal/verify", "internal/ledger", "internal/respond/store"},
	"internal/respond/store": {"rules", "internal/awsapi", "internal/form"},
	"internal/verify":        {"rules", "internal/awsapi", "internal/form"},
	"internal/awsapi":        nil,
	"internal/ignore":        nil,
	"internal/org":           nil,
	"internal/queue":         nil,
	"internal/review":        {"rules", "internal/awsapi", "internal/form"},
	"internal/setup":         {"internal/form"},
	"hooks":                  {"scanner"},
	"hooks/webhook":          nil,
	"action":                 {"scanner"},

	"scanner":                   {"rules", "scanner/internal/bundle", "scanner/internal/cache", "scanner/internal/gitdir", "scanner/internal/index", "scanner/internal/pack", "scanner/internal/unpack", "scanner/internal/worktree"},
	"scanner/internal/bundle":   {"scanner/internal/oid"},
	"scanner/internal/cache":    nil,
	"scanner/internal/fault":    nil,
	"scanner/internal/gitdir":   {"scanner/internal/oid"},
	"scanner/internal/index":    {"scanner/internal/fault", "scanner/internal/oid"},
	"scanner/internal/inflate":  nil,
	"scanner/internal/oid":      nil,
	"scanner/internal/pack":     {"scanner/internal/fault", "scanner/internal/inflate", "scanner/internal/oid"},
	"scanner/internal/unpack":   {"scanner/internal/inflate"},
	"scanner/internal/worktree": {"scanner/internal/index"},

	"rules":                   {"rules/internal/anchor", "rules/internal/custom", "rules/internal/rulefile"},
	"rules/internal/anchor":   nil,
	"rules/internal/custom":   nil,
	"rules/internal/rulefile": {"internal/tomlfile", "rules/internal/custom"},

	"rules/rulestest":          {"rules"},
	"internal/awstest":         {"rules/rulestest"},
	"scanner/internal/gittest": nil,
	"scanner/scannertest":      {"scanner", "scanner/internal/gittest"},
}

// revealers are the functions that see secrets as text.
var revealers = []string{
	"action.git.authorise",         // the token for GitHub, handed to git
	"cmd/keyquench.actionRun.mask", // tells GitHub's runner what not to show
	"cmd/keyquench.writePassword",
	"internal/report.Options.secret",   // --show-secrets
	"internal/report.newVeil",          // to find them where they must not be shown
	"internal/respond.selfCredentials", // lets the leaked key turn itself off
	"internal/respond.session.createLogin",
	"internal/respond/store.authorised.RoundTrip", // the token for GitHub
	"internal/respond/store.checkPair",
	"internal/respond/store.fileStore.before",
	"internal/respond/store.fileStore.write",
	"internal/respond/store.newCallError",          // to find them where they must not be shown
	"internal/respond/store.parameterState.isOurs", // hashed
	"internal/respond/store.parameters.Get",
	"internal/respond/store.parameters.fit",
	"internal/respond/store.parameters.next",
	"internal/respond/store.parameters.putOne", // hashed
	"internal/respond/store.parameters.write",
	"internal/respond/store.sealer.seal",
	"internal/respond/store.secretsManager.Check",
	"internal/respond/store.secretsManager.Get",
	"internal/respond/store.secretsManager.Put",
	"internal/respond/store.secretsManager.put",
	"internal/review.wire.RoundTrip", // the token for GitHub
	"internal/verify.leaked",         // signs the one request that asks whose it is
	"internal/verify.sendable",
	"rules.Cover", // to find them where they must not be shown
	"rules.Secret.Hash",
	"rules.Secret.Masked",
	"rules.nameOwner", // reads the owner's name out of a credential
}

// goPackage is what is read of `go list`.
type goPackage struct {
	ImportPath, Dir  string
	Standard         bool
	Imports, GoFiles []string
}

// name is the path below the module; ok is false for packages of others.
func (p *goPackage) name() (string, bool) { return ours(p.ImportPath) }

func ours(path string) (string, bool) { return strings.CutPrefix(path, module+"/") }

func packages(t *testing.T) (list []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,Standard,Imports,GoFiles", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, e.Stderr)
		}
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// reach is all that a package may import.
func reach(name string, seen map[string]bool) map[string]bool {
	for _, to := range mayImport[name] {
		if !seen[to] {
			seen[to] = true
			reach(to, seen)
		}
	}
	return seen
}

func TestImportsPointDown(t *testing.T) {
	for name, to := range mayImport {
		if reach(name, map[string]bool{})[name] {
			t.Errorf("the table has a loop through %s", name)
		}
		for _, n := range to {
			if _, ok := mayImport[n]; !ok {
				t.Errorf("the table has %s → %s, which has no row", name, n)
			}
		}
	}
	found := 0
	for _, p := range packages(t) {
		name, ok := p.name()
		if !ok {
			continue
		}
		found++
		if _, ok := mayImport[name]; !ok {
			t.Errorf("%s is not in the table", name)
		}
		allowed := reach(name, map[string]bool{})
		for _, i := range p.Imports {
			if to, ok := ours(i); ok && !allowed[to] {
				t.Errorf("%s imports %s", name, to)
			}
		}
	}
	if found < 5 {
		t.Errorf("go list names %d packages of the module", found)
	}
}

// use is a call or mention of pkg.name in a function.
type use struct{ pkg, function, selector string }

// uses lists what the code of a package, without tests, selects from other
// packages ("os.Exit") and of any value (".Reveal").
func uses(t *testing.T, p *goPackage, visit func(use, string)) {
	t.Helper()
	name, _ := p.name()
	for _, file := range p.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		imported := map[string]string{}
		for _, i := range f.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			local := path[strings.LastIndexByte(path, '/')+1:]
			if i.Name != nil {
				local = i.Name.Name
			}
			imported[local] = path
			if i.Name != nil && i.Name.Name == "." {
				t.Errorf("%s/%s imports %s without a name", name, file, path)
			}
		}
		for _, d := range f.Decls {
			fn := functionName(d)
			ast.Inspect(d, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				visit(use{name, fn, "." + sel.Sel.Name}, file)
				if x, ok := sel.X.(*ast.Ident); ok && imported[x.Name] != "" {
					visit(use{name, fn, imported[x.Name] + "." + sel.Sel.Name}, file)
				}
				return true
			})
		}
	}
}

// functionName is "Type.Method", "function", or "" outside of functions.
func functionName(d ast.Decl) string {
	fn, ok := d.(*ast.FuncDecl)
	if !ok {
		return ""
	}
	if fn.Recv == nil {
		return fn.Name.Name
	}
	recv := fn.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if id, ok := recv.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

func TestOneRoomForEachPower(t *testing.T) {
	// These exist to be called by tests; they build environments for git.
	support := map[string]bool{"internal/awstest": true, "rules/rulestest": true, "scanner/internal/gittest": true, "scanner/scannertest": true}
	reveals, exits := map[string]bool{}, 0
	for _, p := range packages(t) {
		name, ok := p.name()
		if !ok || support[name] {
			continue
		}
		for _, i := range p.Imports {
			if i == "github.com/fatih/color" && name != "internal/report" {
				t.Errorf("%s imports %s", name, i)
			}
			if i == "os/signal" && name != "cmd/keyquench" {
				t.Errorf("%s imports %s", name, i)
			}
		}
		uses(t, &p, func(u use, file string) {
			at := u.pkg + "/" + file + ": " + u.function
			switch u.selector {
			case "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln", "syscall.Exit":
				if exits++; u.pkg != "cmd/keyquench" || file != "main.go" {
					t.Errorf("%s uses %s", at, u.selector)
				}
			case "os.Getenv", "os.Environ", "os.LookupEnv", "os.ExpandEnv", "syscall.Getenv", "syscall.Environ",
				"os.UserHomeDir", "os.UserConfigDir", "os.UserCacheDir":
				if u.pkg != "cmd/keyquench" {
					t.Errorf("%s uses %s", at, u.selector)
				}
			case ".Reveal":
				reveals[u.pkg+"."+u.function] = true
			}
		})
	}
	if exits == 0 {
		t.Error("nobody calls os.Exit: this test sees nothing")
	}
	if got := slices.Sorted(maps.Keys(reveals)); !slices.Equal(got, revealers) {
		t.Errorf("Reveal is called by\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(revealers, "\n"))
	}
}
