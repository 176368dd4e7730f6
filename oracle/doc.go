// Package oracle holds contrib's components against ours. It is a module of its own, so that nothing of contrib links
// into the product. Contrib is 0.158, but its routing connector 0.157, since that module's 0.158 cannot be had.
package oracle
