//go:build !race

package pipeline

const poison = false
