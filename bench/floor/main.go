// Command floor is the least that any client has to do: it sends the requests and reads the answers, over one HTTP/2
// connection, with no plan, check, record or identity of its own. What carnet takes beyond it is carnet's.
//
//	floor -kubeconfig FILE -in N apply|dry-run|get|delete OBJECTS.json
//
// OBJECTS.json is a list of {"path": …, "body": …}. The kubeconfig is JSON with everything in it
// (`kubectl config view --raw --flatten -o json`).
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

type object struct {
	Path string          `json:"path"`
	Body json.RawMessage `json:"body"`
}

type kubeconfig struct {
	Clusters []struct {
		Cluster struct {
			Server string `json:"server"`
			CA     []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Certificate []byte `json:"client-certificate-data"`
			Key         []byte `json:"client-key-data"`
			Token       string `json:"token"`
		} `json:"user"`
	} `json:"users"`
}

func main() {
	file := flag.String("kubeconfig", "", "JSON kubeconfig with everything in it")
	inFlight := flag.Int("in", 1, "requests in flight")
	flag.Parse()
	config := read[kubeconfig](*file)
	objects := read[[]object](flag.Arg(1))
	client, token := connect(config)

	work := make(chan object)
	var done sync.WaitGroup
	for range *inFlight {
		done.Go(func() {
			for it := range work {
				send(client, request(flag.Arg(0), config.Clusters[0].Cluster.Server, token, it))
			}
		})
	}
	for _, it := range objects {
		work <- it
	}
	close(work)
	done.Wait()
}

func read[T any](file string) (value T) {
	text, err := os.ReadFile(file)
	check(err)
	check(json.Unmarshal(text, &value))
	return value
}

func connect(config kubeconfig) (*http.Client, string) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(config.Clusters[0].Cluster.CA)
	settings := &tls.Config{RootCAs: roots}
	user := config.Users[0].User
	if user.Token == "" {
		pair, err := tls.X509KeyPair(user.Certificate, user.Key)
		check(err)
		settings.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}}, user.Token
}

func request(verb, server, token string, it object) *http.Request {
	method, query, body := http.MethodGet, "", []byte(nil)
	kind := "application/json"
	switch verb {
	case "apply", "dry-run":
		method, query, body = http.MethodPatch, "?fieldManager=floor&force=true&fieldValidation=Strict", it.Body
		kind = "application/apply-patch+yaml"
		if verb == "dry-run" {
			query += "&dryRun=All"
		}
	case "delete":
		method, body = http.MethodDelete, []byte(`{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"}`)
	}
	made, err := http.NewRequest(method, server+it.Path+query, bytes.NewReader(body))
	check(err)
	made.Header.Set("Content-Type", kind)
	made.Header.Set("User-Agent", "floor")
	if token != "" {
		made.Header.Set("Authorization", "Bearer "+token)
	}
	return made
}

func send(client *http.Client, made *http.Request) {
	answer, err := client.Do(made)
	check(err)
	text, err := io.ReadAll(answer.Body)
	check(err)
	check(answer.Body.Close())
	if answer.StatusCode >= 300 {
		check(fmt.Errorf("%s %s: %d %s", made.Method, made.URL.Path, answer.StatusCode, text))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}
