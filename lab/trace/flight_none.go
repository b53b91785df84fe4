//go:build !go1.25

package main

import (
	"errors"
	"os"
	"time"
)

func flight(*os.File, time.Time) { fail(errors.New("a flight recorder needs Go 1.25")) }
