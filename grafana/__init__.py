"""What Prometheus, Alertmanager and Grafana are given: rules and dashboards as data, and the files made from them."""
