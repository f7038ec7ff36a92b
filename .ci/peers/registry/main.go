// registry: a registry in memory on a free port of the loopback address, for tests. It prints its port and ends when
// its standard input does, so that it never outlives the test that started it.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	referrers := flag.Bool("referrers", false, "serve the list of referrers of OCI 1.1")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	options := []registry.Option{
		registry.WithReferrersSupport(*referrers),
		registry.Logger(log.New(io.Discard, "", 0)),
	}
	log.Fatal(http.Serve(listener, registry.New(options...)))
}
