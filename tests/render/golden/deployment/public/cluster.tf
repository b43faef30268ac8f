# Written by dbmirror after the push of docker.io/team/demo:15.4-0123456789ab.
# Use: terraform init && terraform apply. Before the first time, read README.md beside this file.

terraform {
  required_providers {
    databricks = {
      source = "databricks/databricks"
    }
  }
}

variable "num_workers" {
  description = "How many workers the cluster has beside its driver."
  type        = number
  default     = 1
}

resource "databricks_cluster" "mirror" {
  cluster_name            = "demo-mirror"
  spark_version           = "15.4.x-scala2.12"
  data_security_mode      = "SINGLE_USER"
  node_type_id            = "m5d.large"
  driver_node_type_id     = "m5d.large"
  num_workers             = var.num_workers
  autotermination_minutes = 60

  # Every node of the cluster pulls this image when it starts.
  docker_image {
    url = "team/demo@sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
  }
}

output "cluster_id" {
  value = databricks_cluster.mirror.id
}
