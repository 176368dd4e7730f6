// Command generate writes dashboards/json and dashboards/rules. `make dashboards` runs it at the repository root.
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
