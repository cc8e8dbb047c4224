package store

import (
	"path/filepath"
	"strings"
)

// format is how a file of its own holds a pair.
type format struct {
	name  string
	write func(id, secret string) string
	read  func(text string) (id, secret string, ok bool)
}

// formatOf chooses by the name of the file. Without a known ending it is what
// AWS's tools read as a credentials file.
func formatOf(path string) format {
	base := strings.ToLower(filepath.Base(path))
	switch ext := filepath.Ext(base); {
	case ext == ".json":
		return format{"JSON", writeJSON, readJSON}
	case ext == ".env" || strings.HasPrefix(base, ".env."):
		return format{"environment variables", writeEnv, readEnv}
	case ext == ".csv":
		return format{"CSV", writeCSV, readCSV}
	}
	return format{"credentials file, section [default]", writeINI, readINI}
}

func writeJSON(id, secret string) string {
	// checkPair has seen to it that neither needs an escape, in any of the forms.
	return "{\n  \"" + idKey + "\": \"" + id + "\",\n  \"" + secretKey + "\": \"" + secret + "\"\n}\n"
}

func readJSON(text string) (id, secret string, ok bool) {
	values, ok, err := getFields(text, defaultFields)
	return values[0], values[1], ok && err == nil
}

func writeEnv(id, secret string) string {
	return "AWS_ACCESS_KEY_ID=" + id + "\nAWS_SECRET_ACCESS_KEY=" + secret + "\n"
}

func readEnv(text string) (id, secret string, ok bool) {
	return readBetween(text, "AWS_ACCESS_KEY_ID=", "\nAWS_SECRET_ACCESS_KEY=", "\n")
}

// The console of AWS writes such a file for a new key.
const csvHead = "Access key ID,Secret access key\r\n"

func writeCSV(id, secret string) string { return csvHead + id + "," + secret + "\r\n" }

func readCSV(text string) (id, secret string, ok bool) {
	return readBetween(text, csvHead, ",", "\r\n")
}

func writeINI(id, secret string) string {
	return "[default]\n" + idKey + " = " + id + "\n" + secretKey + " = " + secret + "\n"
}

func readINI(text string) (id, secret string, ok bool) {
	id, secret, ok, err := getProfile(text, "default")
	return id, secret, ok && err == nil
}

// readBetween reads back what stands between three texts of our own.
func readBetween(text, head, middle, end string) (id, secret string, ok bool) {
	text, ok = strings.CutPrefix(text, head)
	if !ok {
		return "", "", false
	}
	if text, ok = strings.CutSuffix(text, end); !ok {
		return "", "", false
	}
	return strings.Cut(text, middle)
}
