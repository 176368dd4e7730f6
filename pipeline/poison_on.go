//go:build race

package pipeline

const poison = true
