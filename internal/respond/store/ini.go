package store

import (
	"errors"
	"slices"
	"strings"
)

// Keys of a profile. The last two are the names of a session's token.
const (
	idKey     = "aws_access_key_id"
	secretKey = "aws_secret_access_key"
)

var tokenKeys = []string{"aws_session_token", "aws_security_token"}

// elsewhere are keys by which a profile gets its credentials from another place.
// A pair beside them would change what the profile means.
var elsewhere = []string{"role_arn", "source_profile", "credential_source", "credential_process", "web_identity_token_file", "sso_session", "sso_start_url", "sso_account_id", "login_session"}

// profileLine is one line of a section that has a key of ours.
type profileLine struct {
	at         int // the line's number
	key        string
	start, end int // of the value within the line
}

// section is where a profile stands in a credentials file.
type section struct {
	header int // the number of its first line, -1 if there is none
	lines  []profileLine
}

// splitLines keeps the ends of lines, whatever they are.
func splitLines(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// headerName reads "[name]" as AWS's SDK does: space around it and a comment
// behind it do not count.
func headerName(line string) (name string, ok bool) {
	line, _, _ = strings.Cut(line, "#")
	line, _, _ = strings.Cut(line, ";")
	line = strings.TrimSpace(line)
	if len(line) < 2 || line[0] != '[' || line[len(line)-1] != ']' {
		return "", false
	}
	return strings.TrimSpace(line[1 : len(line)-1]), true
}

// keyValue reads "key = value". The value's place is without the space and the
// comment around it.
func keyValue(line string) (key string, start, end int, ok bool) {
	if trimmed := strings.TrimLeft(line, " \t"); strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
		return "", 0, 0, false
	}
	i := strings.IndexAny(line, "=:")
	if i < 0 {
		return "", 0, 0, false
	}
	key = strings.ToLower(strings.TrimSpace(line[:i]))
	value := line[i+1:]
	for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
		value, _, _ = strings.Cut(value, mark)
	}
	value = strings.TrimRight(value, " \t\r\n")
	text := strings.TrimLeft(value, " \t")
	start = i + 1 + len(value) - len(text)
	return key, start, start + len(text), true
}

// findSection looks for a profile, and for all that makes a change of it unsafe:
// AWS's tools do not agree on what such a file means.
func findSection(lines []string, name string) (section, error) {
	found := section{header: -1}
	inside, ours := false, false
	for i, line := range lines {
		if header, ok := headerName(line); ok {
			if inside = header == name; !inside {
				continue
			}
			if found.header >= 0 {
				return found, errors.New("the section stands twice in the file")
			}
			found.header, ours = i, false
			continue
		}
		if !inside || strings.TrimSpace(line) == "" {
			continue
		}
		key, start, end, ok := keyValue(line)
		isOurs := ok && (key == idKey || key == secretKey || slices.Contains(tokenKeys, key))
		switch {
		case ok && slices.Contains(elsewhere, key):
			return found, errors.New("the section gets its credentials from elsewhere: " + key)
		case isOurs:
			if slices.ContainsFunc(found.lines, func(l profileLine) bool { return l.key == key }) {
				return found, errors.New(key + " stands twice in the section")
			}
			found.lines = append(found.lines, profileLine{i, key, start, end})
		case ours && !isComment(line) && strings.ContainsAny(line[:1], " \t"):
			return found, errors.New("a value of the pair goes on in the next line")
		}
		ours = isOurs || ours && isComment(line)
	}
	return found, nil
}

func isComment(line string) bool {
	line = strings.TrimLeft(line, " \t")
	return strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";")
}

// setProfile writes a pair into a profile of a credentials file. All else stays
// byte for byte, but for the token of a session, which would make the pair
// useless. A profile that is not there is added at the end.
func setProfile(text, name, id, secret string) (string, error) {
	lines := splitLines(text)
	s, err := findSection(lines, name)
	if err != nil {
		return "", err
	}
	values := map[string]string{idKey: id, secretKey: secret}
	if s.header < 0 {
		eol := lineEnd(lines, 0)
		gap := ""
		if text != "" {
			gap = eol
			if !strings.HasSuffix(text, "\n") {
				gap += eol
			}
		}
		return text + gap + "[" + name + "]" + eol + idKey + " = " + id + eol + secretKey + " = " + secret + eol, nil
	}
	for _, l := range s.lines {
		line := lines[l.at]
		if value, ok := values[l.key]; ok {
			lines[l.at] = line[:l.start] + value + line[l.end:]
			delete(values, l.key)
		} else {
			lines[l.at] = ""
		}
	}
	eol := lineEnd(lines, s.header)
	for _, key := range []string{secretKey, idKey} {
		if value, ok := values[key]; ok {
			if !strings.HasSuffix(lines[s.header], "\n") {
				lines[s.header] += eol
			}
			lines = slices.Insert(lines, s.header+1, key+" = "+value+eol)
		}
	}
	// A line that stood indented below the header goes on with a value that is
	// put between them.
	if _, err := findSection(lines, name); err != nil {
		return "", err
	}
	return strings.Join(lines, ""), nil
}

// lineEnd is how the line at i ends, or the first that ends at all.
func lineEnd(lines []string, i int) string {
	for ; i < len(lines); i++ {
		if strings.HasSuffix(lines[i], "\r\n") {
			return "\r\n"
		}
		if strings.HasSuffix(lines[i], "\n") {
			return "\n"
		}
	}
	return "\n"
}

// getProfile reads the pair of a profile; ok is false if it has none.
func getProfile(text, name string) (id, secret string, ok bool, err error) {
	lines := splitLines(text)
	s, err := findSection(lines, name)
	if err != nil {
		return "", "", false, err
	}
	for _, l := range s.lines {
		value := lines[l.at][l.start:l.end]
		switch l.key {
		case idKey:
			id = value
		case secretKey:
			secret = value
		}
	}
	return id, secret, id != "" && secret != "", nil
}
