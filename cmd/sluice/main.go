// Command sluice runs everything in one process (sluice up) and has commands for operators: validate, components, print-config.
package main

import (
	"os"

	"github.com/sluiceio/sluice/internal/allinone"
	"github.com/sluiceio/sluice/internal/command"
)

func main() { os.Exit(command.Main(allinone.Program())) }
