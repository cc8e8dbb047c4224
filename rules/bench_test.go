package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// cSource makes n bytes of what reads like C: words of the lengths identifiers
// have, indents, operators, a comment here and there. Repeating one line would
// flatter the branch predictor.
func cSource(n int) []byte {
	r := rulestest.Rand(20)
	names := make([]string, 300)
	for i := range names {
		parts := make([]string, 1+r.IntN(3))
		for j := range parts {
			parts[j] = rulestest.Text(r, rulestest.LowerAlphabet[:26], 2+r.IntN(7))
		}
		names[i] = strings.Join(parts, "_")
		if r.IntN(12) == 0 {
			names[i] = strings.ToUpper(names[i])
		}
	}
	name := func() string { return names[r.IntN(len(names))] }
	var b strings.Builder
	for b.Len() < n {
		switch indent := strings.Repeat("\t", 1+r.IntN(3)); r.IntN(6) {
		case 0:
			fmt.Fprintf(&b, "static int %s(struct %s *%s, unsigned long %s)\n{\n", name(), name(), name(), name())
		case 1:
			fmt.Fprintf(&b, "%sif (%s->%s < %d || !%s(%s))\n%s\treturn -%s;\n", indent, name(), name(), r.IntN(99), name(), name(), indent, strings.ToUpper(name()))
		case 2:
			fmt.Fprintf(&b, "%s%s = %s(%s, &%s[%d], sizeof(*%s));\n", indent, name(), name(), name(), name(), r.IntN(9), name())
		case 3:
			fmt.Fprintf(&b, "%s/* %s %s the %s %s */\n", indent, name(), name(), name(), name())
		case 4:
			fmt.Fprintf(&b, "#define %s 0x%08x\n", strings.ToUpper(name()), r.Uint32())
		default:
			fmt.Fprintf(&b, "%s%s->%s |= %s & ~%s;\n}\n\n", indent, name(), name(), name(), name())
		}
	}
	return []byte(b.String()[:n])
}

func jsonLock(n int) []byte {
	r := rulestest.Rand(21)
	var b strings.Builder
	for b.Len() < n {
		name := rulestest.Text(r, rulestest.LowerAlphabet, 8)
		fmt.Fprintf(&b, "    \"node_modules/%s\": {\n      \"version\": \"%d.%d.0\",\n      \"resolved\": \"https://registry.npmjs.org/%s/-/%s-1.0.0.tgz\",\n      \"integrity\": \"sha512-%s==\",\n      \"dev\": true\n    },\n",
			name, r.IntN(9), r.IntN(9), name, name, rulestest.Text(r, rulestest.Base64Alphabet, 86))
	}
	return []byte(b.String()[:n])
}

func BenchmarkFind(b *testing.B) {
	r := rulestest.Rand(22)
	c := cSource(16 << 10)
	hit := append([]byte("aws_access_key_id="+rulestest.KeyID(r, "AKIA")+"\naws_secret_access_key="+rulestest.Secret(r)+"\n"), c...)
	for _, in := range []struct {
		name string
		data []byte
		want int
	}{
		{"c", c, 0},
		{"c/1MB", cSource(1 << 20), 0},
		{"lockfile", jsonLock(16 << 10), 0},
		{"hex", []byte(strings.Repeat(rulestest.Text(r, rulestest.HexAlphabet, 64)+"  name\n", 230)), 0},
		{"base64", []byte(rulestest.Text(r, rulestest.Base64Alphabet, 16<<10)), 0},
		{"hit", hit, 1},
	} {
		b.Run(in.name, func(b *testing.B) {
			set := rules.Default()
			var dst []rules.Match
			b.SetBytes(int64(len(in.data)))
			b.ReportAllocs()
			for b.Loop() {
				dst = set.Find(dst[:0], in.data)
			}
			if len(dst) != in.want {
				b.Errorf("Find = %d matches, want %d", len(dst), in.want)
			}
		})
	}
}
