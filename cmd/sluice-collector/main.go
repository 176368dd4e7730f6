// Command sluice-collector is the central daemon; see package collector.
package main

import (
	"os"

	"github.com/sluiceio/sluice/collector"
	"github.com/sluiceio/sluice/internal/command"
)

func main() { os.Exit(command.Main(collector.Program())) }
