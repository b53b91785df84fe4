package main

import (
	"net/http"
	"time"
)

var client = http.Client{Timeout: time.Hour}
