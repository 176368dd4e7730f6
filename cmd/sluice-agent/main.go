// Command sluice-agent is the node daemon; see package agent.
package main

import (
	"os"

	"github.com/sluiceio/sluice/agent"
	"github.com/sluiceio/sluice/internal/command"
)

func main() { os.Exit(command.Main(agent.Program())) }
