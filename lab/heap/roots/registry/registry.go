// Package registry has global variables outside package main.
package registry

// Plugin is registered by name.
type Plugin struct {
	Name    string
	Version [4]uint32
}

// Plugins and byID are package-level variables, exported and not.
var (
	Plugins = map[string]*Plugin{}
	byID    []*Plugin
)

// Add registers a plugin in both.
func Add(name string) {
	p := &Plugin{Name: name}
	Plugins[name] = p
	byID = append(byID, p)
}

// ByID is the unexported variable and its address.
func ByID() ([]*Plugin, *[]*Plugin) { return byID, &byID }
