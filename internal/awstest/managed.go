package awstest

import (
	"strings"
	"sync"
)

// QuarantineARN is AWS's policy for leaked keys in the account's partition,
// version 1, 2 or 3.
func (a *Account) QuarantineARN(version int) string {
	name := quarantineNames[version-1]
	return arn{a.partition.name, "iam", "", "aws", "policy/" + name}.String()
}

var quarantineNames = [...]string{
	"AWSCompromisedKeyQuarantine", "AWSCompromisedKeyQuarantineV2", "AWSCompromisedKeyQuarantineV3",
}

// managedPolicy finds a policy by its ARN: the account's own, or AWS's.
func (a *Account) managedPolicy(id string) *policy {
	if p := a.managed[id]; p != nil {
		return p
	}
	name, ok := strings.CutPrefix(id, arn{a.partition.name, "iam", "", "aws", "policy/"}.String())
	if !ok {
		return nil
	}
	return awsManaged()[name]
}

// quarantined are actions that AWS's quarantine policies deny, as far as tests
// of ours come near them: what a key could do to itself, its user and its
// traces, and what strangers do with leaked keys first. The lists of AWS are
// longer; what no test can call is left out.
var quarantined = [...][]string{
	{
		"iam:AddUserToGroup", "iam:AttachGroupPolicy", "iam:AttachRolePolicy", "iam:AttachUserPolicy",
		"iam:ChangePassword", "iam:CreateAccessKey", "iam:CreateInstanceProfile", "iam:CreateLoginProfile",
		"iam:CreateRole", "iam:CreateUser", "iam:DeleteAccessKey", "iam:DetachUserPolicy", "iam:ListUsers",
		"iam:PutUserPermissionsBoundary", "iam:PutUserPolicy", "iam:UpdateAccessKey",
		"iam:UpdateAccountPasswordPolicy", "iam:UpdateUser", "ec2:RequestSpotInstances", "ec2:RunInstances",
		"ec2:StartInstances", "organizations:CreateAccount", "organizations:CreateOrganization",
		"organizations:InviteAccountToOrganization", "lambda:CreateFunction", "lightsail:Create*",
		"lightsail:Start*", "lightsail:Delete*", "lightsail:Update*", "lightsail:GetInstanceAccessDetails",
		"lightsail:DownloadDefaultKeyPair",
	},
	{
		"iam:SetDefaultPolicyVersion", "iam:PutGroupPolicy", "iam:PutRolePolicy", "iam:CreatePolicyVersion",
		"iam:UpdateLoginProfile", "iam:UpdateAssumeRolePolicy", "iam:PassRole", "lambda:AddLayerVersionPermission",
		"lambda:AddPermission", "lambda:UpdateFunctionCode", "s3:PutObject", "s3:PutBucketPolicy", "s3:DeleteBucket*",
	},
	{
		"cloudtrail:LookupEvents", "bedrock:InvokeModel*", "bedrock:CreateModelInvocationJob", "ses:*",
		"sns:GetSMSAttributes", "servicequotas:*", "ecs:CreateCluster", "ecs:CreateService", "ecs:RegisterTaskDefinition",
		"ec2:PurchaseReservedInstancesOffering",
	},
}

// awsManaged are policies of AWS's own, by name.
var awsManaged = sync.OnceValue(func() map[string]*policy {
	m := map[string]*policy{
		"AdministratorAccess": mustParse(Allow("*"), identityPolicy),
		"ReadOnlyAccess":      mustParse(Allow("iam:Get*", "iam:List*", "s3:Get*", "s3:List*", "ec2:Describe*"), identityPolicy),
		"AWSDenyAll":          mustParse(Deny("*"), identityPolicy),
		"IAMUserChangePassword": mustParse(document(map[string]any{
			"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": "arn:aws:iam::*:user/${aws:username}",
		}), identityPolicy),
		"IAMFullAccess": mustParse(Allow("iam:*"), identityPolicy),
	}
	var denied []string
	for i, name := range quarantineNames {
		denied = append(denied, quarantined[i]...)
		m[name] = mustParse(Deny(denied...), identityPolicy)
	}
	return m
})
