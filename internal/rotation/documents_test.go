package rotation

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	markdown "tandem/internal/repotest/document"
)

// The documents have each result that a check may end in.
func TestResultsOfTheDocuments(t *testing.T) {
	want := []Result{ResultOK, ResultAttention, ResultFailed, ResultSkipped, ResultUnprovable, ResultUnknown}
	var got []Result
	for _, row := range markdown.MarkedTable(t, "table results").Rows {
		for _, result := range markdown.Code(row.Cells[0]) {
			got = append(got, Result(result))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-given +in the table:\n%s", diff)
	}
}
