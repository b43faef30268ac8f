# Written by dbmirror after the push of team.azurecr.io/dbmirror/demo:17.3-0123456789ab.
# Use: terraform init && terraform apply. Before the first time, read README.md beside this file.

terraform {
  required_providers {
    databricks = {
      source = "databricks/databricks"
    }
  }
}

variable "secret_scope" {
  description = "The secret scope with the registry's user name and password; the state holds only references to them."
  type        = string
  default     = "dbmirror"
}

variable "num_workers" {
  description = "How many workers the cluster has beside its driver."
  type        = number
  default     = 1
}

resource "databricks_cluster" "mirror" {
  cluster_name            = "demo-mirror"
  spark_version           = "17.3.x-scala2.13"
  runtime_engine          = "PHOTON"
  data_security_mode      = "SINGLE_USER"
  node_type_id            = "Standard_DS3_v2"
  driver_node_type_id     = "Standard_DS4_v2"
  num_workers             = var.num_workers
  autotermination_minutes = 60

  # Every node of the cluster pulls this image when it starts.
  docker_image {
    url = "team.azurecr.io/dbmirror/demo@sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
    basic_auth {
      username = "{{secrets/${var.secret_scope}/acr-username}}"
      password = "{{secrets/${var.secret_scope}/acr-password}}"
    }
  }

  spark_conf = {
    "spark.databricks.driverNfs.enabled"            = "false"
    "spark.databricks.unityCatalog.volumes.enabled" = "true"
  }
}

output "cluster_id" {
  value = databricks_cluster.mirror.id
}
