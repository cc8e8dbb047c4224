package scanner

import (
	"sync"

	"github.com/keyquench/keyquench/scanner/internal/worktree"
)

// queue is what is left to do in a tree: directories to list and files to read.
// Whoever lists a directory puts into it what was found there, so that listing
// is shared out like reading.
//
// Files go out before directories, and the last directory in is the first out.
// That keeps the queue as small as one walk's: a few levels of siblings for each
// worker, and files of no more directories than there are workers.
type queue struct {
	mu    sync.Mutex
	ready sync.Cond // signalled when there is work, or none will come any more
	dirs  []worktree.Dir
	files [][]worktree.File
	busy  int // tasks that were taken and are not done; they may add more
	ended bool
}

// task is one thing to do: a directory, or files when there are any.
type task struct {
	dir   worktree.Dir
	files []worktree.File
}

func newQueue(root worktree.Dir) *queue {
	q := &queue{dirs: []worktree.Dir{root}}
	q.ready.L = &q.mu
	return q
}

// take waits for a task. It reports false when everything is done, or when the
// queue was ended. The caller must call done after each task.
func (q *queue) take() (t task, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.ended:
			return task{}, false
		case len(q.files) > 0:
			t.files = pop(&q.files)
		case len(q.dirs) > 0:
			t.dir = pop(&q.dirs)
		case q.busy == 0:
			return task{}, false
		default:
			q.ready.Wait()
			continue
		}
		q.busy++
		return t, true
	}
}

func pop[T any](list *[]T) T {
	var zero T
	n := len(*list) - 1
	last := (*list)[n]
	(*list)[n] = zero // or it would keep alive what it refers to
	*list = (*list)[:n]
	return last
}

// add puts in what a task has found. Of dirs, the first goes out first.
func (q *queue) add(dirs []worktree.Dir, files [][]worktree.File) {
	if len(dirs)+len(files) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := len(dirs) - 1; i >= 0; i-- {
		q.dirs = append(q.dirs, dirs[i])
	}
	q.files = append(q.files, files...)
	q.ready.Broadcast()
}

// done tells that a task is over and adds nothing more.
func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy--; q.busy == 0 {
		q.ready.Broadcast()
	}
}

// end keeps everybody from taking more.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.ready.Broadcast()
}

// finished tells that take has nothing to give, now and later.
func (q *queue) finished() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended || q.busy == 0 && len(q.dirs)+len(q.files) == 0
}
