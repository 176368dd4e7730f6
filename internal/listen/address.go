package listen

import (
	"fmt"
	"net"
	"strconv"
)

// CheckAddress reports why text is not host:port, and what to write.
func CheckAddress(text, example string) error {
	_, port, err := net.SplitHostPort(text)
	n, notNumber := strconv.Atoi(port)
	if err != nil || notNumber != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q is not host:port; write for example %s", text, example)
	}
	return nil
}
