# Two commands: `make demo` shows a rotation on a real server, `make test` proves it.
# Everything they need beside Go and make they get by themselves.

GO ?= go

# The processor that the function is built for, in the words of Lambda; the
# template's parameter of the same name has to agree with it.
ARCHITECTURE ?= arm64
GOARCH_FUNCTION = $(or $(GOARCH_$(ARCHITECTURE)),$(error ARCHITECTURE is "$(ARCHITECTURE)": it has to be arm64 or x86_64))
GOARCH_arm64 = arm64
GOARCH_x86_64 = amd64

# Lambda's custom runtime starts a file named bootstrap. lambda.norpc leaves out
# the old Go runtime's protocol; the other flags keep the binary small and make
# its bytes depend on nothing but the source and the toolchain.
COMPILE_FLAGS = -tags lambda.norpc -trimpath -buildvcs=false
FUNCTION_FLAGS = $(COMPILE_FLAGS) -ldflags "-s -w -buildid="

# With the function's own flags, so that Go compiles what both need only once. What
# runs until it is ended is built and then executed: go run keeps a signal to itself.
SANDBOX_BUILD = CGO_ENABLED=0 $(GO) build $(COMPILE_FLAGS) -o bin/sandbox ./cmd/sandbox
SANDBOX = $(SANDBOX_BUILD) && SANDBOX_ENDS_WITH_PARENT=1 exec bin/sandbox
SANDBOX_FETCH = CGO_ENABLED=0 $(GO) run $(COMPILE_FLAGS) ./cmd/sandbox fetch

.DEFAULT_GOAL := help
.PHONY: help go modules demo sandbox check test test-matrix fire bench build build-RotationFunction package release deploy acceptance refresh-roots clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-zA-Z-]+:.*## / { printf "  make %-24s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

go:
	@command -v $(GO) >/dev/null 2>&1 || { echo "$(GO) was not found: install Go $$(sed -n 's/^go //p' go.mod) or later, from Go's own site or as your system's package, or name it by GO=/path/to/go" >&2; exit 1; }

modules: go
	@GOPROXY=off $(GO) list -deps -test ./... >/dev/null 2>&1 || { echo "fetching Go modules ..."; $(GO) list -deps -test ./... >/dev/null; }

demo: build ## rotate a secret on a real server, and watch it happen
	@$(SANDBOX) demo --function bin/bootstrap

sandbox: build ## a server, a local Secrets Manager and the function until Ctrl-C, to rotate by hand
	@$(SANDBOX) serve --function bin/bootstrap

# -short leaves out every test that needs a server. The rest is what a server
# has no part in: the sources, the documents, the template, the workflows.
check: modules ## everything that needs no server, in less than two minutes
	@unformatted=$$(gofmt -l cmd internal); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@.ci/linked
	$(GO) test -short ./...

test: modules ## all tests, on a MariaDB and a MySQL that are started for them
	@$(SANDBOX_FETCH)
	@echo "testing; the first time Go compiles for a minute or two before it says anything ..."
	@$(call tested,./...,TEST_TUTORIALS=1)

MATRIX ?= 1

test-matrix: modules ## the tests that need a server, on every release, or on MATRIX="mariadb-10.5 mysql-9"
	@TEST_MATRIX='$(MATRIX)' $(SANDBOX_FETCH)
	@$(call tested,-count=1 ./internal/e2e,TEST_MATRIX='$(MATRIX)')

FIRE ?= full

fire: modules ## break a rotation at every message of it and count; FIRE=reduced for minutes, not hours
	@TEST_MATRIX=1 $(SANDBOX_FETCH)
	@mkdir -p bin
	$(GO) test -c -o bin/fire.test ./internal/e2e
	cd internal/e2e && FIRE=$(FIRE) ../../bin/fire.test -test.run '^TestUnderFire$$' -test.parallel 10 -test.timeout $(if $(filter full,$(FIRE)),5h,30m)
ifeq ($(FIRE),full)
	EXPLORE=full $(GO) test -count=1 -v -timeout 1h -parallel 1 -run '^TestEveryInterleaving$$' ./internal/rotation
endif

# AWS_FUNCTION=path/to/lambda_function.py compares with AWS's function, for which
# python3 (or PYTHON) needs boto3 and PyMySQL; EARLIER=path/to/bootstrap compares with
# another build of the function; BENCH_JSON=file keeps the figures.
bench: build ## measure the function's speed, in minutes, and print the table of cmd/bench/README.md
	@$(MAKE) --no-print-directory package >/dev/null
	CGO_ENABLED=0 $(GO) build $(FUNCTION_FLAGS) -o bin ./internal/local/bench/testdata/baseline ./internal/local/bench/testdata/floor
	@CGO_ENABLED=0 $(GO) run $(COMPILE_FLAGS) ./cmd/bench -zip bin/function.zip $(BENCH_FLAGS)

# tested runs tests, and says how many ran against each server: go test hides what a
# package that passes has printed.
define tested
report=$$(mktemp) && trap 'rm -f "$$report"' EXIT && echo "$(strip $(2) $(GO) test -timeout 60m $(TEST_FLAGS) $(1))" && \
status=0; $(2) TEST_SERVERS_REPORT="$$report" $(GO) test -timeout 60m $(TEST_FLAGS) $(1) || status=1; $(counted) "$$report"; exit $$status
endef

# counted adds up what the packages have reported.
counted = awk '\
	/^[0-9]+ tests ran against / { n = $$1; sub(/^[0-9]+ /, ""); if (!($$0 in ran)) order[++servers] = $$0; ran[$$0] += n; next } \
	/^MISSING / || /, in the place of / { if (!said[$$0]++) print } \
	END { if (!servers) print "0 tests ran against a server"; for (i = 1; i <= servers; i++) print ran[order[i]], order[i] }'

build: modules ## the function for this machine, bin/bootstrap
	@mkdir -p bin
	@test -e bin/bootstrap || echo "compiling the function; the first time this takes a minute or two ..."
	CGO_ENABLED=0 $(GO) build $(FUNCTION_FLAGS) -o bin/bootstrap ./cmd/rotator

build-RotationFunction: modules ## the function for Lambda, ARTIFACTS_DIR/bootstrap; what sam build calls
	@test -n "$(ARTIFACTS_DIR)" || { echo "ARTIFACTS_DIR is not set: make build-RotationFunction ARTIFACTS_DIR=DIR" >&2; exit 1; }
	@mkdir -p "$(ARTIFACTS_DIR)"
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_FUNCTION) $(GO) build $(FUNCTION_FLAGS) -o "$(ARTIFACTS_DIR)/bootstrap" ./cmd/rotator

package: bin/template.yaml bin/cloudformation.yaml ## bin/function.zip with its templates, for a deployment without SAM
	@$(MAKE) --no-print-directory build-RotationFunction ARTIFACTS_DIR=bin/lambda
	$(GO) run ./internal/local/archive -o bin/function.zip bin/lambda/bootstrap

bin/template.yaml: template.yaml Makefile
	@mkdir -p bin
	sed -e 's|^\( *CodeUri:\) \.$$|\1 function.zip|' -e 's|^\( *[A-Z][a-z]*Url:\) \([A-Z]\)|\1 ../\2|' template.yaml > $@

# What sam publish needs, and files beside the template with it.
NOT_PUBLISHED = /^  AWS::ServerlessRepo::/,/^  AWS::CloudFormation::/{/^  AWS::CloudFormation::/!d;}

# The same without SAM's transform, which a StackSet does not take.
bin/cloudformation.yaml: bin/template.yaml
	sed -e '/^Transform:/d' -e '$(NOT_PUBLISHED)' -e '/BuildMethod:/d' \
		-e 's|AWS::Serverless::Function|AWS::Lambda::Function|' -e 's|^\( *Code\)Uri:|\1:|' \
		-e 's|^\( *Tracing\): \(!Ref tracing\)$$|\1Config: {Mode: \2}|' bin/template.yaml > $@

# The processors that a release has a package for; its templates name the first one's.
RELEASED = arm64 x86_64

# TAG is the tag that is released; without one this is a rehearsal of it. REPOSITORY is
# the address that the notes' links lead into.
release: modules bin/cloudformation.yaml ## what a release consists of, bin/release and bin/release-notes.md
	rm -rf bin/release && mkdir -p bin/release
	@set -e; for processor in $(RELEASED); do \
		$(MAKE) --no-print-directory build-RotationFunction ARCHITECTURE=$$processor ARTIFACTS_DIR=bin/lambda-$$processor; \
		$(GO) run ./internal/local/archive -o bin/release/function-$$processor.zip bin/lambda-$$processor/bootstrap; \
	done
	sed -e '$(NOT_PUBLISHED)' -e 's|^\( *CodeUri:\) \.$$|\1 function-$(firstword $(RELEASED)).zip|' template.yaml > bin/release/template.yaml
	sed -e 's|^\( *Code:\) function.zip$$|\1 function-$(firstword $(RELEASED)).zip|' bin/cloudformation.yaml > bin/release/cloudformation.yaml
	cp LICENSE bin/release
	@$(GO) run ./internal/local/release -notes bin/release-notes.md -tag "$$TAG" -repository "$$REPOSITORY" bin/release
	@cat bin/release/SHA256SUMS

STACK ?= tandem
EXECUTE_CHANGESET ?= true

deploy: go ## build and deploy the stack STACK with the file PARAMETERS, by SAM (.github/deploying/README.md)
	@GO="$(GO)" GOARCH_FUNCTION="$(GOARCH_FUNCTION)" .github/deploying/deploy

# What deploy, release and acceptance are told reaches them by the environment, as it was given: make
# would expand a dollar in it, and a shell read it as commands, if it were a part of a recipe.
DEPLOY_VARIABLES = STACK PARAMETERS ARCHITECTURE TAGS ROLE_ARN SIGNING_PROFILE S3_BUCKET EXECUTE_CHANGESET
RELEASE_VARIABLES = TAG REPOSITORY
ACCEPTANCE_VARIABLES = ACCEPTANCE_ENGINES ACCEPTANCE_VPC ACCEPTANCE_SUBNETS ACCEPTANCE_YES ACCEPTANCE_REMOVE
$(foreach name,$(DEPLOY_VARIABLES) $(RELEASE_VARIABLES) $(ACCEPTANCE_VARIABLES),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

acceptance: modules ## play the tutorials in a real account of AWS, which costs money (.github/tutorials/acceptance.md)
	@CGO_ENABLED=0 $(GO) build $(COMPILE_FLAGS) -o bin/acceptance ./cmd/acceptance
	@exec bin/acceptance

refresh-roots: modules ## fetch Amazon RDS's certificate authorities anew
	$(GO) generate ./internal/roots

clean: ## remove what was built here (fetched servers stay in the cache)
	rm -rf bin
