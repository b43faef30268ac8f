"""Code that runs inside the lab's containers: the tunnel's supervisor, and what JupyterLab and its kernels load."""
