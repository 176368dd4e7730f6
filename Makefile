# Sluice. `make` alone lists the targets.

TAGS    := remove_all_sd,enable_kubernetes_sd
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/sluiceio/sluice/internal/build.version=$(VERSION)
GO      := go
BINS    := sluice sluice-agent sluice-collector
SOAK    ?= 60m

# What links a TSDB, a log store or the node exporter runs without -race, to keep the suite short.
NORACE  := /store|/api/|/exporters/remotewrite|/internal/allinone|/internal/rules|/agent$$|/receivers/host|/collector$$|/cmd/|/dashboards

.PHONY: help build run test unit e2e oracle cluster darwin faults soak fuzz bench dashboards docker clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## build the three binaries into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/ $(addprefix ./cmd/,$(BINS))

run: build ## run everything on this machine; look at http://127.0.0.1:7700
	./bin/sluice up --data-dir ./data

test: build unit e2e ## the whole suite

unit: ## vet and test every package, the hot and concurrent ones with -race
	test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt these:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet -tags $(TAGS) ./...
	$(GO) test -tags $(TAGS) -short ./spool
	$(GO) test -tags $(TAGS) -race -short ./spool
	$(GO) test -tags $(TAGS) -run 'TestShortLivedPods|TestMemoryOfPods' ./receivers/tail ./kube
	$(GO) test -tags $(TAGS) -race $$($(GO) list -tags $(TAGS) ./... | grep -Ev '$(NORACE)|/spool$$')
	$(GO) test -tags $(TAGS) $$($(GO) list -tags $(TAGS) ./... | grep -E '$(NORACE)')

e2e: build ## drive the built binaries from outside; check the Helm chart, the compose file and the packages
	cd configs && $(GO) vet ./... && $(GO) test -count=1 ./...
	cd configs/helm && $(GO) vet ./... && $(GO) test -count=1 ./...
	cd e2e && $(GO) vet ./... && $(GO) test -count=1 -parallel 4 -timeout 12m ./...

oracle: ## run the same configurations through contrib's components and through ours
	cd oracle && $(GO) vet ./... && $(GO) test -count=1 ./...

cluster: build ## the agent and the chart against a real kube-apiserver and etcd; builds them first, ten minutes on two cores
	cd cluster && CGO_ENABLED=0 $(GO) build -o ../bin/kube-apiserver ./apiserver && $(GO) vet ./... && $(GO) test -count=1 -timeout 10m -v ./...

darwin: ## check that the three binaries compile for macOS
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build -tags $(TAGS) -o /dev/null $(addprefix ./cmd/,$(BINS))

faults: build ## planted bugs, 200 kills of each daemon, long outages (under 30 minutes)
	$(GO) test -count=1 ./spool/...
	cd e2e && SLUICE_FAULTS=1 SLUICE_KILLS=200 $(GO) test -count=1 -timeout 40m -v -run 'Planted|Kill|Dead|Queue|Disk|Stop|NoInodes|NoDescriptors|ByName' .

soak: build ## run under load for SOAK (60m) and fail on growth
	cd e2e && SLUICE_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -run TestSoak -v .

fuzz: ## fuzz every parser for a minute each
	@for t in $$(git grep -lE '^func Fuzz' -- '*_test.go'); do \
	  for f in $$(grep -ohE '^func Fuzz[A-Za-z0-9_]+' $$t | cut -c6-); do \
	    echo "== $$f in $$(dirname $$t)"; $(GO) test -tags $(TAGS) -run '^$$' -fuzz "^$$f\$$" -fuzztime 60s ./$$(dirname $$t) || exit 1; \
	  done; done

bench: build ## the end-to-end measurements of bench/RESULTS.md
	cd bench && $(GO) run . all

dashboards: ## generate dashboards and rules from Go, and what the Helm chart renders (configs/kubernetes, its README)
	$(GO) run -tags $(TAGS) ./dashboards/generate
	cd configs/helm && $(GO) test -count=1 ./... -update

docker: ## build the three images
	for t in agent collector sluice; do docker build --target $$t -t sluice-$$t:$(VERSION) --build-arg VERSION=$(VERSION) . || exit 1; done

clean: ## remove what was built
	rm -rf bin
