// Package service is the frame that every specimen runs in: flags, one HTTP server with pprof
// (left out by the build tags nopprof and noprofiler), expvar and /truth on it, noise, a load generator, and an end in every case: when stdin (a pipe)
// closes, at SIGTERM or interrupt, or after -max-seconds.
package service

import (
	"bytes"
	"context"
	"errors"
	"expvar"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"oomph.example/lab/internal/load"
	"oomph.example/lab/internal/noise"
	"oomph.example/lab/internal/truth"
)

// Spec describes a specimen.
type Spec struct {
	Name string
	// Rate: requests per second unless -rate says otherwise; 0 for a specimen without requests.
	Rate    float64
	Workers int
	// Procs: GOMAXPROCS, where the fault depends on it; 0 leaves it.
	Procs int
	// Setup registers handlers, starts background work and fills in the rest of the Env.
	Setup func(env *Env)
}

// Env is what a specimen gets and what it gives back in Setup.
type Env struct {
	// Ctx ends with the program.
	Ctx context.Context
	Mux *http.ServeMux
	// MaxBytes: stop growing here.
	MaxBytes uint64
	// URL of the server, without a slash at the end; set before Setup runs.
	URL    string
	Client *http.Client

	// Request is one request of the load generator.
	Request func(ctx context.Context, n uint64) error
	Counts  func() truth.Counts
	Sites   []truth.Site
}

// Main runs the specimen; it does not return.
func Main(spec Spec) {
	if err := run(spec); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", spec.Name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(spec Spec) error {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	rate := flag.Float64("rate", spec.Rate, "requests per second of the built-in load")
	maxMiB := flag.Uint64("max-mib", 1500, "stop growing at this many MiB held")
	maxSeconds := flag.Float64("max-seconds", 600, "exit after this many seconds")
	withNoise := flag.Bool("noise", true, "run innocent caches, pools and workers beside the fault")
	flag.Parse()
	if spec.Procs > 0 {
		runtime.GOMAXPROCS(spec.Procs)
	}

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	ctx, cancelTimeout := context.WithTimeout(ctx, time.Duration(*maxSeconds*float64(time.Second)))
	defer cancelTimeout()
	go exitWithParent()

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	workers := spec.Workers
	if workers == 0 {
		workers = 8
	}
	env := &Env{
		Ctx:      ctx,
		Mux:      http.NewServeMux(),
		MaxBytes: *maxMiB << 20,
		URL:      "http://" + listener.Addr().String(),
		Client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: workers + 8, DisableCompression: true},
			Timeout:   30 * time.Second,
		},
		Counts: func() truth.Counts { return truth.Counts{Phase: truth.Steady} },
	}
	handler := http.Handler(env.Mux)
	if *withNoise {
		background := noise.Start(ctx)
		env.Mux.Handle("/catalogue", background)
		handler = background.Log(env.Mux)
	}
	return serve(spec, env, handler, listener, *rate, workers)
}

func serve(spec Spec, env *Env, handler http.Handler, listener net.Listener, rate float64, workers int) error {
	source := &truth.Source{Specimen: spec.Name}
	source.Start()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	mountProfiles(env.Mux)
	env.Mux.Handle("/debug/vars", expvar.Handler())
	env.Mux.Handle("/truth", source)
	env.Mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })

	spec.Setup(env)
	source.Counts, source.Sites = env.Counts, env.Sites
	if env.Request != nil {
		generator := &load.Generator{Rate: rate, Workers: workers, Do: env.Request}
		source.Load, source.Latency = generator.Counts, generator.Took.Millis
		go generator.Run(env.Ctx)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Printf("listening %s\n", env.URL)

	select {
	case err := <-failed:
		return err
	case <-env.Ctx.Done():
	}
	// Connections of the load and of an observer are cut, not drained: nothing here is worth saving.
	if err := server.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// exitWithParent ends the program when stdin is a pipe and its other end closes, which it does
// however the parent dies. A terminal or /dev/null on stdin says nothing about a parent.
func exitWithParent() {
	info, err := os.Stdin.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// Work answers /work with what do returns, and makes that the request of the load generator.
func (e *Env) Work(do func() any) {
	e.Mux.HandleFunc("/work", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, do()) })
	e.Request = func(ctx context.Context, _ uint64) error { return e.Get(ctx, "/work") }
}

// Get requests path and reads the answer to its end.
func (e *Env) Get(ctx context.Context, path string) error {
	return e.do(ctx, http.MethodGet, path, nil)
}

// Post sends body to path and reads the answer to its end.
func (e *Env) Post(ctx context.Context, path string, body []byte) error {
	return e.do(ctx, http.MethodPost, path, bytes.NewReader(body))
}

func (e *Env) do(ctx context.Context, method, path string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, e.URL+path, body)
	if err != nil {
		return err
	}
	resp, err := e.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusGatewayTimeout {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return nil
}
