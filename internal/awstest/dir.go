package awstest

import "os"

// Dir is a directory for the test, in memory where the system has such: programs
// under test sync each step to the disk, and that would be most of what tests
// with thousands of steps take.
func Dir(t interface {
	T
	TempDir() string
},
) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "keyquench-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
