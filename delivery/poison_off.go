//go:build !race && !poison

package delivery

const poisonFreed = false
