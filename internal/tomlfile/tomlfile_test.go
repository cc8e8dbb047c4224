package tomlfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sample is a struct with a field of each kind.
type sample struct {
	Text  string   `toml:"text"`
	Many  []string `toml:"many"`
	Count int      `toml:"count"`
	Share float64  `toml:"share"`
	Maybe *int     `toml:"maybe"`
	On    bool     `toml:"on"`
	Free  free     `toml:"free"`
	Table struct {
		A int `toml:"a"`
	} `toml:"table"`
	Rows []struct {
		common
		ID    string `toml:"id"`
		Cells []struct {
			X int `toml:"x"`
		} `toml:"cells"`
	} `toml:"rows"`
}

type common struct {
	Note string `toml:"note"`
}

// free takes "yes" alone.
type free bool

func (f *free) UnmarshalTOML(v any) error {
	if v != "yes" {
		return errors.New("is not yes")
	}
	*f = true
	return nil
}

func decode(text string) (s sample, err error) {
	f, err := Parse("f", []byte(text))
	if err == nil {
		err = f.Decode(&s, func(field string) string { return fmt.Sprintf("no field %q", field) })
	}
	return s, err
}

func TestDecode(t *testing.T) {
	s, err := decode("text = '''a\n[x]'''\nMANY = ['b', \"c#\"]\ncount = 3\nshare = 2\nmaybe = 4\non = true\nfree = 'yes'\n" +
		"[table]\na = 5\n[[rows]]\nid = 'd'\nnote = 'n'\n[[rows.cells]]\nx = 6\n[[rows]]\nid = 'e'\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.Text != "a\n[x]" || !slices.Equal(s.Many, []string{"b", "c#"}) || s.Count != 3 || s.Share != 2 || s.Maybe == nil || *s.Maybe != 4 || !s.On || !bool(s.Free) || s.Table.A != 5 {
		t.Errorf("Decode = %+v", s)
	}
	if len(s.Rows) != 2 || s.Rows[0].ID != "d" || s.Rows[0].Note != "n" || len(s.Rows[0].Cells) != 1 || s.Rows[0].Cells[0].X != 6 || s.Rows[1].ID != "e" {
		t.Errorf("Rows = %+v", s.Rows)
	}
}

// Every refusal says where, of the right one of several tables.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"text = ", "f:1:7: "},
		{"text = 'a'\n[[rows", "f:2:"},
		{"text = 'a'\ntext = 'b'", "f:2:"},
		{"text = \"\xff\"", "f:1:"},
		{"\n  colour = 1", `f:2:3: no field "colour"`},
		{"[[rows]]\nid = 'a'\n[[rows]]\ncolour = 1", `f:4:1: no field "rows.colour"`},
		{"# text\ntext = 5", "f:2:1: text: is a whole number, want a string"},
		{"text = 5.5", "f:1:1: text: is a number, want a string"},
		{"text = [1]", "f:1:1: text: is a list, want a string"},
		{"text = 2026-11-22", "f:1:1: text: is a date, want a string"},
		{"many = 'a'", "f:1:1: many: is a string, want a list"},
		{"many = [\n'a',\n1,\n]", "f:1:1: many: entry 2: is a whole number, want a string"},
		{"count = 1.5", "f:1:1: count: is a number, want a whole number"},
		{"share = true", "f:1:1: share: is true or false, want a number"},
		{"maybe = 'a'", "f:1:1: maybe: is a string, want a whole number"},
		{"on = 1", "f:1:1: on: is a whole number, want true or false"},
		{"free = 'no'", "f:1:1: free: is not yes"},
		{"table = 1", "f:1:1: table: is a whole number, want a table"},
		{"[table]\n\ta = 'x'", "f:2:2: a: is a string, want a whole number"},
		{"rows = 1", "f:1:1: rows: is a whole number, want a list"},
		{"[rows]\nid = 'a'", "f:1:1: rows: is a table, want a list"},
		{"[[rows]]\nnote = 1", "f:2:1: note: is a whole number, want a string"},
		{"[[rows]]\nid = 1\n[[rows]]\nid = 'a'\n[[rows]]\nid = 2", "f:2:1: id: is a whole number, want a string"},
		{"[[rows]]\nid = 'a'\n[[rows]]\n[[rows.cells]]\nx = 1\n[[rows.cells]]\n x = 'a'\n[[rows]]\nid = 'c'", "f:7:2: x: is a string, want a whole number"},
		{"text = 'a'\nrows = [{id = 'a'}, {id = 1}]", "f:2:1: id: is a whole number, want a string"},
		{"text = " + strings.Repeat("[", maxNesting+1), "f: arrays, tables or names nest too deep"},
		{strings.Repeat("a.", maxKey) + "a = 1", "f: arrays, tables or names nest too deep"},
		{strings.Repeat("#\n", maxBytes/2+1), "f: over 4194304 bytes"},
	} {
		short := tt.text[:min(len(tt.text), 100)]
		_, err := decode(tt.text)
		bad, ok := errors.AsType[*Error](err)
		if !ok || bad.File != "f" {
			t.Errorf("Decode(%q) = %v, want an *Error of f", short, err)
			continue
		}
		if got := err.Error(); got != tt.want && !(strings.HasSuffix(tt.want, ":") || strings.HasSuffix(tt.want, ": ")) || !strings.HasPrefix(got, tt.want) {
			t.Errorf("Decode(%q) = %s, want %s", short, got, tt.want)
		}
	}
}

// What stands in strings and comments is no key and no table.
func TestFail(t *testing.T) {
	f, err := Parse("f", []byte(`text = """
[[rows]]
id = 'no'\""" """ # [[rows]]
many = [ # id = 1
  "]", ']', '''
id = 2''',
]
[[ "rows" ]]
"id" = 'a'
[[Rows.cells]]
 [rows.cells.deep]
x.y = 1
[[rows]]
  ID = 'b'
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, want string }{
		{"text", "1:1"},
		{"many", "4:1"},
		{"rows[0]", "8:1"},
		{"rows[0].id", "9:1"},
		{"rows[0].cells[0]", "10:1"},
		{"rows[0].cells[0].deep", "11:2"},
		{"rows[0].cells[0].deep.x.y", "12:1"},
		{"rows[1]", "13:1"},
		{"rows[1].id", "14:3"},
		{"rows[1].other", "13:1"},
		{"rows[1].other[3].x", "13:1"},
		{"rows[5].id", "8:1"},
		{"rows.id", "9:1"},
		{"absent", "1:1"},
		{"", "1:1"},
	} {
		cause := errors.New("cause")
		err := f.Fail(tt.path, cause)
		if err.Error() != "f:"+tt.want+": cause" || !errors.Is(err, cause) {
			t.Errorf("Fail(%q) = %v, want it at %s", tt.path, err, tt.want)
		}
	}
	if got := f.Top(); !slices.Equal(got, []string{"text", "many", "rows", "Rows"}) {
		t.Errorf("Top = %q", got)
	}
}

func TestTopAndIsTable(t *testing.T) {
	f, err := Parse("f", []byte("a.b = 1\na.c = 2\nd = 3\n[e]\n[[g]]\n[f.h]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Top(); !slices.Equal(got, []string{"a", "d", "e", "g", "f"}) {
		t.Errorf("Top = %q", got)
	}
	for name, want := range map[string]bool{"a": true, "d": false, "e": true, "f": true, "g": false, "E": true, "z": false} {
		if got := f.IsTable(name); got != want {
			t.Errorf("IsTable(%s) = %v, want %v", name, got, want)
		}
	}
}

// Any text at all: a struct, or an error that names the file.
func FuzzDecode(f *testing.F) {
	f.Add("text = 'a'\n[[rows]]\nid = 1\n[[rows.cells]]\nx = 'a'")
	f.Add("many = [\"\"\"a\"\"\", '''b''']\nfree = [{a = {b = 1}}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := decode(text); err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("Decode = %v, which does not name the file", err)
		}
	})
}
