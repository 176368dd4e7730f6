// Command generate writes dashboards/json and dashboards/rules from the Go code beside them; `make dashboards`
// runs it, at the root of the repository.
package main

import (
	"fmt"
	"os"

	"github.com/sluiceio/sluice/dashboards"
)

func main() {
	if err := dashboards.Write("dashboards"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
