package action

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Output is one output of the step.
type Output struct{ Name, Value string }

// WriteOutputs adds outputs to the file that GITHUB_OUTPUT names. Each value
// stands between two lines that nobody can guess
// (docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands,
// "multiline strings"), so that no value can set another output.
func WriteOutputs(path string, list []Output) (err error) {
	var text strings.Builder
	for _, o := range list {
		end := "keyquench-" + rand.Text()
		fmt.Fprintf(&text, "%s<<%s\n%s\n%s\n", o.Name, end, o.Value, end)
	}
	return AppendTo(path, func(w io.Writer) error {
		_, err := io.WriteString(w, text.String())
		return err
	})
}

// AppendTo adds to a file that the runner made. What write gives to w is added at
// once, or not at all if it fails.
func AppendTo(path string, write func(io.Writer) error) (err error) {
	var text strings.Builder
	if err := write(&text); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("write %q: not a regular file", path)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text.String())
	return errors.Join(err, file.Close())
}

// Property is a setting of a workflow command, such as the title of an error.
type Property struct{ Name, Value string }

// Command is a line that the runner obeys: ::NAME PROPERTIES::DATA. Data and
// properties are escaped as the runner undoes it, so that they stay one line and
// cannot end what they stand in; what a reader should not see is for the caller
// to take out.
func Command(name, data string, properties ...Property) string {
	var b strings.Builder
	b.WriteString("::" + name)
	for i, p := range properties {
		sep := ","
		if i == 0 {
			sep = " "
		}
		b.WriteString(sep + p.Name + "=" + inProperty.Replace(p.Value))
	}
	return b.String() + "::" + inData.Replace(data) + "\n"
}

var (
	inData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
