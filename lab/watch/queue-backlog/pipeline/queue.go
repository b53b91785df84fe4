// Package pipeline hands jobs from those who make them to one who does them.
package pipeline

import (
	"context"
	"time"

	"oomph.example/lab/internal/growth"
)

// Job is one.
type Job struct {
	ID   uint64
	Body []byte
}

// Queue is the jobs that wait, in a channel with room for very many.
type Queue struct{ waiting chan *Job }

// room is so much that nobody ever has to wait for it.
const room = 1 << 20

// New is an empty queue.
func New() *Queue { return &Queue{waiting: make(chan *Job, room)} }

// Submit adds a job.
func (q *Queue) Submit(id uint64, size int) {
	job := &Job{ID: id}
	job.Body = make([]byte, size) // culprit
	growth.Fill(job.Body, id)
	q.waiting <- job // culprit: sends
}

// Work does so many jobs a second, however many are submitted.
func (q *Queue) Work(ctx context.Context, perSecond float64) {
	const step = 20 * time.Millisecond
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for owed := 0.0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for owed += perSecond * step.Seconds(); owed >= 1; owed-- {
			select {
			case <-q.waiting:
			default:
			}
		}
	}
}

// Len is how many wait.
func (q *Queue) Len() uint64 { return uint64(len(q.waiting)) }
