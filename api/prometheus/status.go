package prometheus

import (
	"context"
	"errors"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// Status has the settings that the status endpoints show.
type Status struct {
	Dir                string
	Retention          time.Duration
	Lookback           time.Duration // how far back a query looks for the newest value of a series
	EvaluationInterval time.Duration // default of rule groups
	RuleFiles          []string
	Scrapers           func() []Scraper // receivers that scrape; may be nil
}

var errReadOnly = errors.New("the API of the store is read-only")

type noAlertmanagers struct{}

// Alertmanagers implements v1.AlertmanagerRetriever.
func (noAlertmanagers) Alertmanagers() []*url.URL { return nil }

// DroppedAlertmanagers implements v1.AlertmanagerRetriever.
func (noAlertmanagers) DroppedAlertmanagers() []*url.URL { return nil }

// admin is the read-only TSDB.
type admin struct{ reader Reader }

// CleanTombstones implements v1.TSDBAdminStats.
func (admin) CleanTombstones() error { return errReadOnly }

// Delete implements v1.TSDBAdminStats.
func (admin) Delete(context.Context, int64, int64, ...*labels.Matcher) error { return errReadOnly }

// Snapshot implements v1.TSDBAdminStats.
func (admin) Snapshot(string, bool) error { return errReadOnly }

// Stats implements v1.TSDBAdminStats.
func (a admin) Stats(label string, limit int) (*tsdb.Stats, error) {
	return a.reader.Stats(label, limit), nil
}

// WALReplayStatus implements v1.TSDBAdminStats.
func (admin) WALReplayStatus() (tsdb.WALReplayStatus, error) { return tsdb.WALReplayStatus{}, nil }

// BlockMetas implements v1.TSDBAdminStats.
func (a admin) BlockMetas() ([]tsdb.BlockMeta, error) { return a.reader.BlockMetas(), nil }

func (s Status) config() config.Config {
	c := config.DefaultConfig
	c.GlobalConfig.EvaluationInterval = model.Duration(s.EvaluationInterval)
	c.RuleFiles = s.RuleFiles
	return c
}

func (s Status) runtimeInfo(since time.Time) (v1.RuntimeInfo, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return v1.RuntimeInfo{
		StartTime: since, ServerTime: time.Now(), Hostname: host, CWD: s.Dir,
		ReloadConfigSuccess: true, LastConfigTime: since,
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0), GOMEMLIMIT: debug.SetMemoryLimit(-1),
		GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"),
		StorageRetention: s.Retention.String(),
	}, nil
}
