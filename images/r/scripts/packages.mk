# How a package is built; what it needs first stands in order.mk.
.PHONY: all
all:
include order.mk
install-%:
	@bash $(dir $(lastword $(filter %packages.mk,$(MAKEFILE_LIST))))install-r-package.sh $*
