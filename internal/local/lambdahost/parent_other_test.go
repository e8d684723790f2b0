//go:build unix && !linux

package lambdahost_test

const (
	knowsMemory = false
	parentMode  = "RUNTIMEAPI_TEST_PARENT"
)

func beParent() int { return 1 }
