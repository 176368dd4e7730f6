// Command sluice-agent is the node daemon; package agent lists what it is made of.
package main

import (
	"os"

	"github.com/sluiceio/sluice/agent"
	"github.com/sluiceio/sluice/internal/command"
)

func main() { os.Exit(command.Main(agent.Program())) }
