//go:build race

package tail

// raced slows everything down several times.
const raced = true
