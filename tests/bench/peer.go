// peer is the server that tutorials about server-sent events in Go arrive at:
// one goroutine and one channel for each client, everything in memory, nothing
// but net/http. The benchmark sets rowcast beside it.
//
//	GET  /events[?user=U]   the stream of user U
//	POST /msg[?user=U]      the body to everyone, or to user U only
//
// It is kept kind to itself: a full channel makes the publisher wait, so no
// message is lost as long as the client reads; nothing is stored, numbered or
// replayed, and nobody has to show a token.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

const waiting = 64 // messages that a client may have in its channel

type client struct {
	messages chan string
	gone     <-chan struct{}
}

type broker struct {
	mutex   sync.RWMutex
	clients map[*client]struct{}
	users   map[string]map[*client]struct{}
}

func (b *broker) join(user string, c *client) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.clients[c] = struct{}{}
	if b.users[user] == nil {
		b.users[user] = make(map[*client]struct{})
	}
	b.users[user][c] = struct{}{}
}

func (b *broker) leave(user string, c *client) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	delete(b.clients, c)
	delete(b.users[user], c)
	if len(b.users[user]) == 0 {
		delete(b.users, user)
	}
}

func (b *broker) send(user string, message string) {
	b.mutex.RLock()
	defer b.mutex.RUnlock()
	clients := b.clients
	if user != "" {
		clients = b.users[user]
	}
	for c := range clients {
		select {
		case c.messages <- message:
		case <-c.gone:
		}
	}
}

func (b *broker) events(w http.ResponseWriter, r *http.Request) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "streaming is not supported", http.StatusInternalServerError)
		return
	}
	user := r.URL.Query().Get("user")
	c := &client{messages: make(chan string, waiting), gone: r.Context().Done()}
	b.join(user, c)
	defer b.leave(user, c)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	flusher.Flush()
	for {
		select {
		case message := <-c.messages:
			fmt.Fprintf(w, "data: %s\n\n", message)
			flusher.Flush()
		case <-c.gone:
			return
		}
	}
}

func (b *broker) message(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.send(r.URL.Query().Get("user"), string(body))
	w.WriteHeader(http.StatusCreated)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	b := &broker{clients: make(map[*client]struct{}), users: make(map[string]map[*client]struct{})}
	http.HandleFunc("/events", b.events)
	http.HandleFunc("/msg", b.message)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, nil))
}
