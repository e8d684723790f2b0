package awssdk

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// buffered sends a request's header and its body together. The SDK hands over a body that
// net/http does not know to be in memory, and closes it when the answer begins. net/http
// writes such a body after the header, and then looks whether there is more of it: where the
// answer is quicker than that look, as with a fraction of a core, it finds the body closed,
// and closes the connection, of whose answer not everything has been read.
//
// Source: net/http, newTransferWriter (FlushHeaders) and transferWriter.writeBody;
// github.com/aws/smithy-go, transport/http, ClientHandler.Handle.
type buffered struct{ client aws.HTTPClient }

// Do implements aws.HTTPClient.
func (b buffered) Do(request *http.Request) (*http.Response, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return b.client.Do(request)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the request's body: %w", err)
	}
	if err := request.Body.Close(); err != nil {
		return nil, fmt.Errorf("closing the request's body: %w", err)
	}
	own := request.Clone(request.Context())
	own.ContentLength = int64(len(body))
	own.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	own.Body, _ = own.GetBody()
	return b.client.Do(own)
}
