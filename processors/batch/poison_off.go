//go:build !race

package batch

const poison = false
