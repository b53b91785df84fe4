//go:build go1.25

package main

import (
	"os"
	"runtime/trace"
	"time"
)

// flight works twice as long as the window that the recorder keeps.
func flight(f *os.File, stop time.Time) {
	r := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: time.Until(stop) / 4})
	fail(r.Start())
	busy(stop)
	_, err := r.WriteTo(f)
	fail(err)
	r.Stop()
}
