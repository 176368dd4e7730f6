//go:build race

package batch

// poison fills freed buffers in test builds, so that a sink that kept a reference is seen.
const poison = true
