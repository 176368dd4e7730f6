package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is the kind of a component.
type Kind string

// The kinds, in data-path order.
const (
	KindReceiver  Kind = "receiver"
	KindProcessor Kind = "processor"
	KindConnector Kind = "connector"
	KindExporter  Kind = "exporter"
)

// Kinds lists every kind, in data-path order.
var Kinds = [...]Kind{KindReceiver, KindProcessor, KindConnector, KindExporter}

// ID is a component's name in the configuration: "otlp" or "otlp/edge".
type ID struct {
	Type string
	Name string
}

// ParseID reads type or type/name.
func ParseID(s string) (ID, error) {
	typ, name, named := strings.Cut(s, "/")
	if typ == "" || (named && name == "") || strings.ContainsAny(s, " \t\n") {
		return ID{}, fmt.Errorf("%q is not a component name; write type or type/name", s)
	}
	return ID{Type: typ, Name: name}, nil
}

// String is the inverse of ParseID.
func (i ID) String() string {
	if i.Name == "" {
		return i.Type
	}
	return i.Type + "/" + i.Name
}

// A Component describes a type of a configuration file. A daemon is a list of them. Make one with Receiver,
// Processor, Connector or Exporter.
type Component struct {
	Kind    Kind
	Type    string
	Aliases []string // older spellings of Type
	Signals []Signal // what it can take, and of a receiver what it can give
	Ways    []Way    // of a connector; Signals are their From
	Doc     string   // one line for `sluice components`
	Replays bool     // of a receiver: its source keeps what is not delivered, so that a queue behind it is a second copy

	// Default returns a pointer to the configuration struct with defaults.
	Default func() any
	// Unsupported are keys of the Collector's component that ours does not have, as paths
	// ("sending_queue::storage"), and what to do instead. They are faults, or warnings under --allow-ignored-keys.
	Unsupported map[string]string

	buildReceiver  func(Settings, any, Outputs) (any, error)
	buildProcessor func(Settings, any, Sink) (Sink, error)
	buildConnector func(Settings, any, Outputs) (Sink, error)
	buildExporter  func(Settings, any) (Sink, error)
	buildPlayer    func(Settings, any, Outputs) (Player, error)
}

// Way is a way through a connector: the signal that it takes, and the one that it gives.
type Way struct{ From, To Signal }

// Starter is for components that must be started. Start must not block. It is called from exporters to receivers.
type Starter interface {
	Start(ctx context.Context) error
}

// Stopper is for components that hold something. Stop returns when nothing is held or ctx ends. It is called from
// receivers to exporters; after its Stop a receiver must not call Consume.
type Stopper interface {
	Stop(ctx context.Context) error
}

// Readier is for components that may be unable to accept data for a time, such as a store with a full disk. While
// Ready returns an error, which says what to do, the process is not ready. It is called often, even after Stop.
type Readier interface {
	Ready() error
}

// Reporter is for components that know more of their state than the ledger, for /status. It is called at any time.
type Reporter interface {
	Report() Report
}

// Report is what a Reporter says of itself.
type Report struct {
	Queue   *QueueReport // of a queue on disk, when there is one
	Trouble error        // the last error of the destination or disk, without secrets; nil when there was none
	At      time.Time    // of Trouble
	Since   time.Time    // since when nothing is taken by the destination; zero when the last attempt was
	Waiting int          // callers that wait for a place on the wire
}

// QueueReport is what a queue on disk holds.
type QueueReport struct {
	Records, Items, Bytes, DeadLetters int64
	Oldest                             time.Time // zero when it is empty
	Full                               bool
	Lanes, BlockedLanes                int
	Stalled                            bool          // something is stored, and nothing has left for a minute
	UntilFull                          time.Duration // at the present rate; negative while it does not grow
}

// Drainer is for exporters that retry. Drain is called when a reload or shutdown begins, before any Stop: from then
// on nobody may wait for a destination that is away.
type Drainer interface {
	Drain()
}

// Receiver describes a receiver type. One instance serves all pipelines that name it. build returns a value that
// may be a Starter and a Stopper.
func Receiver[C any](typ string, defaults func() *C, build func(Settings, *C, Outputs) (any, error), signals ...Signal) Component {
	return ReceiverOf(typ, func() any { return defaults() },
		func(s Settings, c any, o Outputs) (any, error) { return build(s, c.(*C), o) }, signals...)
}

// ReceiverOf is Receiver for a configuration type known only at run time.
func ReceiverOf(typ string, defaults func() any, build func(Settings, any, Outputs) (any, error), signals ...Signal) Component {
	return Component{Kind: KindReceiver, Type: typ, Signals: signals, Default: defaults, buildReceiver: build}
}

// Processor describes a processor type. Each pipeline gets its own instance, which may be a Starter and a Stopper.
func Processor[C any](typ string, defaults func() *C, build func(Settings, *C, Sink) (Sink, error), signals ...Signal) Component {
	return ProcessorOf(typ, func() any { return defaults() },
		func(s Settings, c any, next Sink) (Sink, error) { return build(s, c.(*C), next) }, signals...)
}

// ProcessorOf is Processor for a configuration type known only at run time.
func ProcessorOf(typ string, defaults func() any, build func(Settings, any, Sink) (Sink, error), signals ...Signal) Component {
	return Component{Kind: KindProcessor, Type: typ, Signals: signals, Default: defaults, buildProcessor: build}
}

// Connector describes a connector type. There is one instance for each signal that it takes, which may be a Starter
// and a Stopper; build gets the pipelines that receive from it.
func Connector[C any](typ string, defaults func() *C, build func(Settings, *C, Outputs) (Sink, error), ways ...Way) Component {
	return ConnectorOf(typ, func() any { return defaults() },
		func(s Settings, c any, o Outputs) (Sink, error) { return build(s, c.(*C), o) }, ways...)
}

// ConnectorOf is Connector for a configuration type known only at run time.
func ConnectorOf(typ string, defaults func() any, build func(Settings, any, Outputs) (Sink, error), ways ...Way) Component {
	c := Component{Kind: KindConnector, Type: typ, Ways: ways, Default: defaults, buildConnector: build}
	for _, w := range ways {
		if !c.Takes(w.From) {
			c.Signals = append(c.Signals, w.From)
		}
	}
	return c
}

// SameSignal are the ways of a connector that keeps the signal.
func SameSignal() []Way {
	return []Way{{Metrics, Metrics}, {Logs, Logs}, {Traces, Traces}}
}

// Exporter describes an exporter type. One instance serves all pipelines and signals that name it; it may be a
// Starter and a Stopper.
func Exporter[C any](typ string, defaults func() *C, build func(Settings, *C) (Sink, error), signals ...Signal) Component {
	return ExporterOf(typ, func() any { return defaults() },
		func(s Settings, c any) (Sink, error) { return build(s, c.(*C)) }, signals...)
}

// ExporterOf is Exporter for a configuration type known only at run time.
func ExporterOf(typ string, defaults func() any, build func(Settings, any) (Sink, error), signals ...Signal) Component {
	return Component{Kind: KindExporter, Type: typ, Signals: signals, Default: defaults, buildExporter: build}
}

// NewReceiver builds a receiver.
func (c Component) NewReceiver(s Settings, config any, out Outputs) (any, error) {
	return c.buildReceiver(s, config, out)
}

// NewProcessor builds a processor in front of next.
func (c Component) NewProcessor(s Settings, config any, next Sink) (Sink, error) {
	return c.buildProcessor(s, config, next)
}

// NewConnector builds a connector for the signal of s.
func (c Component) NewConnector(s Settings, config any, out Outputs) (Sink, error) {
	return c.buildConnector(s, config, out)
}

// NewExporter builds an exporter.
func (c Component) NewExporter(s Settings, config any) (Sink, error) {
	return c.buildExporter(s, config)
}

// WithAliases adds older spellings of the type.
func (c Component) WithAliases(aliases ...string) Component {
	c.Aliases = append(c.Aliases, aliases...)
	return c
}

// WithDoc sets the line that `sluice components` prints.
func (c Component) WithDoc(doc string) Component {
	c.Doc = doc
	return c
}

// Replaying sets Replays.
func (c Component) Replaying() Component {
	c.Replays = true
	return c
}

// WithUnsupported sets Unsupported.
func (c Component) WithUnsupported(keys map[string]string) Component {
	c.Unsupported = keys
	return c
}

// Takes reports whether the component handles the signal.
func (c Component) Takes(s Signal) bool {
	return slices.Contains(c.Signals, s)
}

// Leads reports whether a connector has the way.
func (c Component) Leads(from, to Signal) bool { return slices.Contains(c.Ways, Way{from, to}) }

// Gives lists the signals that a receiver or connector gives.
func (c Component) Gives() (out []Signal) {
	if c.Kind != KindConnector {
		return c.Signals
	}
	for _, w := range c.Ways {
		if !slices.Contains(out, w.To) {
			out = append(out, w.To)
		}
	}
	return out
}

// A Player makes of given input what its receiver would make of it, for `sluice test`: without file, port or network.
type Player interface {
	Play(ctx context.Context, in Played) error
}

// Played is what a receiver would have read at a time.
type Played struct {
	What string // which of its sources: the path of a file, the name of a job
	Text []byte
	Time time.Time
	Host string // the name of the machine
}

// WithPlayer adds the Player of a receiver.
func WithPlayer[C any, P Player](c Component, build func(Settings, *C, Outputs) (P, error)) Component {
	c.buildPlayer = func(s Settings, config any, out Outputs) (Player, error) { return build(s, config.(*C), out) }
	return c
}

// ErrNoPlayer is the error of NewPlayer for a receiver that has none.
var ErrNoPlayer = errors.New("this receiver reads no text")

// NewPlayer builds the Player of a receiver.
func (c Component) NewPlayer(s Settings, config any, out Outputs) (Player, error) {
	if c.buildPlayer == nil {
		return nil, ErrNoPlayer
	}
	return c.buildPlayer(s, config, out)
}
