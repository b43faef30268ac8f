"""What the lab's JupyterLab needs to run notebooks on the driver, through the tunnel's control socket."""
