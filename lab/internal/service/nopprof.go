//go:build nopprof

package service

import (
	"net/http"
	"runtime"
)

// mountProfiles mounts nothing: a service that never heard of net/http/pprof. The use of
// runtime.MemProfile makes the linker keep the profiler, as a use of runtime/pprof would.
func mountProfiles(*http.ServeMux) { runtime.MemProfile(nil, true) }
