//go:build noprofiler

package service

import "net/http"

// mountProfiles mounts nothing, and nothing in the program uses runtime.MemProfile: the linker turns
// the profiler off.
func mountProfiles(*http.ServeMux) {}
