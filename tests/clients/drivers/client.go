// donovanhide/eventsource, as Debian has it.
//
//	go-client URL TOKEN header|cookie|none
package main

import (
	"encoding/json"
	"net/http"
	"os"

	"github.com/donovanhide/eventsource"
)

func main() {
	say := json.NewEncoder(os.Stdout).Encode
	request, err := http.NewRequest("GET", os.Args[1], nil)
	if err != nil {
		panic(err)
	}
	switch os.Args[3] {
	case "header":
		request.Header.Set("Authorization", "Bearer "+os.Args[2])
	case "cookie":
		request.AddCookie(&http.Cookie{Name: "rowcast_token", Value: os.Args[2]})
	}
	stream, err := eventsource.SubscribeWithRequest("", request)
	if err != nil {
		say(map[string]bool{"closed": true})
		return
	}
	for {
		select {
		case event := <-stream.Events:
			name := event.Event()
			if name == "" {
				name = "message"
			}
			say(map[string]string{"event": name, "data": event.Data(), "id": event.Id()})
		case <-stream.Errors: // it waits until somebody has read this
		}
	}
}
