package heapspec

import (
	"sort"
	"strings"
)

// groups sorts the goroutines of a runtime.Stack dump by creation function and wait reason.
func groups(dump string) []Group {
	counts := map[Group]uint64{}
	for len(dump) > 0 {
		one := dump
		if end := strings.Index(dump, "\n\n"); end >= 0 {
			one, dump = dump[:end], dump[end+2:]
		} else {
			dump = ""
		}
		if g, ok := group(one); ok {
			counts[g]++
		}
	}
	list := make([]Group, 0, len(counts))
	for g, n := range counts {
		// The keys point into the dump's buffer, which is used again.
		g.CreatedBy, g.Function = strings.Clone(g.CreatedBy), strings.Clone(g.Function)
		g.WaitReason, g.Count = strings.Clone(g.WaitReason), n
		list = append(list, g)
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if a.CreatedBy != b.CreatedBy {
			return a.CreatedBy < b.CreatedBy
		}
		return a.WaitReason+a.Function < b.WaitReason+b.Function
	})
	return list
}

func group(text string) (Group, bool) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	open, shut := strings.Index(lines[0], "["), strings.LastIndex(lines[0], "]")
	if open < 0 || shut < open {
		return Group{}, false
	}
	reason, _, _ := strings.Cut(lines[0][open+1:shut], ",")
	if reason == "running" {
		// The one that takes the dump; it will wait for a command.
		reason = "syscall"
	}
	g := Group{WaitReason: reason}
	for _, line := range lines[1:] {
		if strings.HasPrefix(line, "\t") {
			continue
		}
		if by, ok := strings.CutPrefix(line, "created by "); ok {
			g.CreatedBy, _, _ = strings.Cut(by, " in goroutine")
			break
		}
		if name := strings.LastIndex(line, "("); name > 0 {
			g.Function = line[:name]
		}
	}
	return g, true
}
