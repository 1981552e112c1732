// The ingress of Knative in the test cluster, where none of the real ones can be had: it says of each Ingress that it is
// ready, and carries requests by their Host to the endpoints that Knative chose, which are the activator's while a revision
// has no pods.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"knative.dev/networking/pkg/apis/networking/v1alpha1"
	networking "knative.dev/networking/pkg/client/clientset/versioned"
	networkinginformers "knative.dev/networking/pkg/client/informers/externalversions"
	networkinglisters "knative.dev/networking/pkg/client/listers/networking/v1alpha1"
)

// As Services have it; whoever may choose calls this one.
const address = ":80"

type gateway struct {
	ingresses networkinglisters.IngressLister
	services  corelisters.ServiceLister
	// Knative writes these, and not slices, for a revision that is scaled to zero.
	endpoints corelisters.EndpointsLister
	client    networking.Interface
}

func main() {
	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	core := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), 0)
	client := networking.NewForConfigOrDie(config)
	network := networkinginformers.NewSharedInformerFactory(client, 0)
	ingresses := network.Networking().V1alpha1().Ingresses()
	g := &gateway{
		ingresses: ingresses.Lister(),
		services:  core.Core().V1().Services().Lister(),
		endpoints: core.Core().V1().Endpoints().Lister(),
		client:    client,
	}
	_, err = ingresses.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { g.accept(object.(*v1alpha1.Ingress)) },
		UpdateFunc: func(_, object any) { g.accept(object.(*v1alpha1.Ingress)) },
	})
	if err != nil {
		log.Fatal(err)
	}
	stop := make(chan struct{})
	core.Start(stop)
	network.Start(stop)
	core.WaitForCacheSync(stop)
	network.WaitForCacheSync(stop)
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(*httputil.ProxyRequest) {},
		Transport:     g,
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		},
	}
	go serveNames()
	server := &http.Server{Addr: address, Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// Nothing has to be configured anywhere: what an Ingress says is read at each request.
func (g *gateway) accept(ingress *v1alpha1.Ingress) {
	if ingress.Status.ObservedGeneration == ingress.Generation && ingress.IsReady() {
		return
	}
	ready := ingress.DeepCopy()
	ready.Status.InitializeConditions()
	ready.Status.MarkNetworkConfigured()
	here := []v1alpha1.LoadBalancerIngressStatus{{DomainInternal: "gateway.knative-serving.svc.cluster.local"}}
	ready.Status.MarkLoadBalancerReady(here, here)
	ready.Status.ObservedGeneration = ingress.Generation
	// Whoever was quicker causes another event.
	if _, err := g.client.NetworkingV1alpha1().Ingresses(ingress.Namespace).UpdateStatus(context.Background(), ready, metav1.UpdateOptions{}); err != nil {
		log.Print(err)
	}
}

// RoundTrip sends a request where its Host belongs.
func (g *gateway) RoundTrip(request *http.Request) (*http.Response, error) {
	takeHostOfPath(request)
	split, err := g.choose(request)
	if err != nil {
		return nil, err
	}
	to, err := g.backend(split.IngressBackend)
	if err != nil {
		return nil, err
	}
	request.URL = &url.URL{Scheme: "http", Host: to, Path: request.URL.Path, RawPath: request.URL.RawPath, RawQuery: request.URL.RawQuery}
	for name, value := range split.AppendHeaders {
		request.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(request)
}

// Those who cannot choose their Host header write it into the path: /-/<host>/…
func takeHostOfPath(request *http.Request) {
	if rest, found := strings.CutPrefix(request.URL.Path, "/-/"); found {
		host, path, _ := strings.Cut(rest, "/")
		request.Host, request.URL.Path, request.URL.RawPath = host, "/"+path, ""
	}
}

func (g *gateway) choose(request *http.Request) (*v1alpha1.IngressBackendSplit, error) {
	host := request.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	all, err := g.ingresses.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	for _, ingress := range all {
		for _, rule := range ingress.Spec.Rules {
			if !slices.Contains(rule.Hosts, host) || rule.HTTP == nil {
				continue
			}
			for _, path := range rule.HTTP.Paths {
				if len(path.Headers) > 0 || !strings.HasPrefix(request.URL.Path, path.Path) {
					continue
				}
				for name, value := range path.AppendHeaders {
					request.Header.Set(name, value)
				}
				return byPercent(path.Splits)
			}
		}
	}
	if name, found := strings.CutSuffix(host, clusterDomain); found {
		if service, namespace, found := strings.Cut(name, "."); found {
			port := intstr.FromInt32(80)
			backend := v1alpha1.IngressBackend{ServiceName: service, ServiceNamespace: namespace, ServicePort: port}
			return &v1alpha1.IngressBackendSplit{IngressBackend: backend}, nil
		}
	}
	return nil, fmt.Errorf("no Ingress has the host %s", host)
}

func byPercent(splits []v1alpha1.IngressBackendSplit) (*v1alpha1.IngressBackendSplit, error) {
	left := rand.IntN(100)
	for i := range splits {
		if left -= splits[i].Percent; left < 0 || len(splits) == 1 {
			return &splits[i], nil
		}
	}
	return nil, errors.New("the Ingress splits less than all requests")
}

func (g *gateway) backend(to v1alpha1.IngressBackend) (string, error) {
	service, err := g.services.Services(to.ServiceNamespace).Get(to.ServiceName)
	if err != nil {
		return "", err
	}
	endpoints, err := g.endpoints.Endpoints(to.ServiceNamespace).Get(to.ServiceName)
	if err != nil {
		return "", err
	}
	for _, port := range service.Spec.Ports {
		if port.Port != to.ServicePort.IntVal && port.Name != to.ServicePort.StrVal {
			continue
		}
		if addresses := addressesOf(endpoints, port.Name); len(addresses) > 0 {
			return addresses[rand.IntN(len(addresses))], nil
		}
	}
	return "", fmt.Errorf("service %s/%s has no endpoint for port %s", to.ServiceNamespace, to.ServiceName, to.ServicePort.String())
}

func addressesOf(endpoints *corev1.Endpoints, port string) []string {
	var addresses []string
	for _, subset := range endpoints.Subsets {
		for _, candidate := range subset.Ports {
			if candidate.Name != port {
				continue
			}
			for _, address := range subset.Addresses {
				addresses = append(addresses, net.JoinHostPort(address.IP, fmt.Sprint(candidate.Port)))
			}
		}
	}
	return addresses
}
