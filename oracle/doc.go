// Package oracle holds contrib's components against ours. It is a module of its own, so that nothing of contrib links
// into the product.
package oracle
