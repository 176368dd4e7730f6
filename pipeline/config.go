package pipeline

import (
	"fmt"
	"time"
)

// Config is a validated configuration. Package pipeline/config makes it from files and reports every fault with its
// place, so that building a graph fails only for what files do not show (a taken port, a bad certificate).
type Config struct {
	Instances []Instance // components that at least one pipeline names
	Pipelines []PipelineConfig
	Service   ServiceConfig
	Redact    func(text string) string // hides the configuration's secrets in a text
}

// Instance is one configured component.
type Instance struct {
	ID        ID
	Component Component
	Config    any   // what Component.Default returned, with the file's keys decoded over it
	Place     Place // where the component's section begins
	Embedded  bool  // the section is the embedded default's, untouched: a port of it that is taken is left out
}

// PipelineConfig is an entry of service.pipelines.
type PipelineConfig struct {
	ID         ID // type is the signal: "logs", "metrics/node"
	Signal     Signal
	Receivers  []ID // receivers, and connectors that feed this pipeline
	Processors []ID
	Exporters  []ID // exporters, and connectors that this pipeline feeds
	Place      Place
}

// ServiceConfig is the configuration of the process.
type ServiceConfig struct {
	ShutdownTimeout time.Duration // how long SIGTERM may drain; default 25 s
	MetricsEndpoint string        // host:port of our own /metrics; empty: none
	MetricsEmbedded bool          // the endpoint is the embedded default's
	HealthEndpoint  string        // host:port of the health endpoint; empty: none
	HealthEmbedded  bool
	HealthPath      string // where it answers
	// ProfilesEndpoint is host:port of /debug/pprof/; empty: none.
	ProfilesEndpoint string
	LogLevel         string // debug, info, warn, error
	LogEncoding      string // text or json
	MemoryLimit      MemoryLimit
	Storages         map[ID]Storage  // file_storage extensions that run
	Elections        map[ID]Election // k8s_leader_elector extensions that run
}

// Election is a k8s_leader_elector extension: the Lease that says which of several processes does what must be done once.
type Election struct {
	AuthType, Context, KubeconfigFile         string // how the API server is reached, as in kube.Access
	LeaseNamespace, LeaseName                 string
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

// An ElectionUser is a component's configuration that may name an election.
type ElectionUser interface {
	// ElectionKey is the key that names it, and what is written there; empty for none.
	ElectionKey() (key, name string)
}

// Storage is a file_storage extension: where queues on disk are.
type Storage struct {
	Directory string // empty: below the data directory
	Create    bool   // make it when it is not there
	Fsync     bool   // false: a power cut loses what was stored last
	MinFree   int64  // bytes of its disk that stay free
}

// A StorageUser is a component's configuration that may name a storage.
type StorageUser interface {
	// StorageKey is the key that names it, and what is written there; empty for none.
	StorageKey() (key, name string)
}

// An AnswerUser is a connector's configuration that chooses by the answers of pipelines. A queue on disk takes everything, so
// none may be behind them.
type AnswerUser interface {
	// DecidedBy are the pipelines whose answers decide.
	DecidedBy() []string
}

// A SignalUser is a component's configuration that may have no place for a signal of its component.
type SignalUser interface {
	// CheckSignal says what a pipeline of the signal lacks.
	CheckSignal(Signal) error
}

// A ListenUser is a component's configuration that listens. Two on one port are a fault.
type ListenUser interface {
	// Listens are the sockets that the component opens.
	Listens() []Listening
}

// Listening is a socket that a component opens.
type Listening struct {
	Key     string // that names the address, such as protocols::http::endpoint
	Network string // tcp, unix and the like
	Address string
}

// MemoryLimit is the memory_limiter section. The zero value means the default budget: a quarter of the memory that
// the process may use.
type MemoryLimit struct {
	CheckInterval        time.Duration
	LimitMiB             uint64 // hard limit on the heap
	SpikeLimitMiB        uint64 // soft limit = limit - spike; above it intake is refused
	LimitPercentage      uint64 // the same in percent of the memory the process may use
	SpikeLimitPercentage uint64
}

// Place is a place in the configuration.
type Place struct {
	File string // as given on the command line; "embedded default" or "--set" otherwise
	Line int    // 1-based; 0 unknown
}

// String is file:line.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}
